"""Plots of an evaluation."""
