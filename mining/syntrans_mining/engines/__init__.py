"""Engines answer requests and encode texts and pictures; one protocol, and one file each."""
