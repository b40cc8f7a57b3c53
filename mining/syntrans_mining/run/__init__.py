"""A mining run from its inputs to its files."""
