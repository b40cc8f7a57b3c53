"""Builds the world's models from nothing: `python -m syntrans_training.world.build` (about 50 minutes on 2 cores)."""
