"""Faults on purpose: kills, full disks, damaged files, bad inputs; `reliability.py` runs them all."""
