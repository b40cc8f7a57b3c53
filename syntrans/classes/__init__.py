"""Class lists: reading, checking and matching names."""
