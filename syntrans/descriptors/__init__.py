"""Descriptor files: summary, comparison, import, packing."""
