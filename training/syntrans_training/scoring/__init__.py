"""Scores of classifiers on episodes."""
