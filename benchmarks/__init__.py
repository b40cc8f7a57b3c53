"""What is measured, a room for each part of the program; `results/` has the figures, `quick.py` what all share."""
