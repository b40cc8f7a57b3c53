"""Builds the world's models from nothing: `python -m syntrans_world.build`."""
