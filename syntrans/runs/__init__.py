"""Folders of runs: finding, locking, resuming."""
