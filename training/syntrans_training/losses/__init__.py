"""Losses: pure functions of tensors, which are given by keyword."""
