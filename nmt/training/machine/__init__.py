"""What a run computes on and with."""
