"""What trains a translator."""
