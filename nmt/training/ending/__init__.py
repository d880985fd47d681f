"""What ends a run early: faults, failed processes, signals, limits, and SLURM's time."""
