"""Accuracy of a trained run, with intervals and controls."""
