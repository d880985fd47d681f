"""What trains a recogniser of lines."""
