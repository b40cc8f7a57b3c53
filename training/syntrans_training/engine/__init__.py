"""Training loops, checkpoints, devices."""
