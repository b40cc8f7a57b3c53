"""The bridge from text to pictures (VSBird), and its ridge baseline.

`train_bridge.py` chooses and fits it, `closed_form_start.py` begins in closed form, `head_training.py` trains.
"""
