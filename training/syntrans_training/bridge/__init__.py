"""The bridge from text to pictures (VSBird), and its ridge baseline.

`train_bridge.py` has all its steps in order: `initialisation_search.py` chooses where it begins, `initialisation.py` is
that closed form, `head_training.py` trains, `trained_bridges.py` reads what is left.
"""
