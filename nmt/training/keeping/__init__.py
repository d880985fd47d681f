"""What a run keeps, so that nothing is lost: checkpoints, random states, what it learns from."""
