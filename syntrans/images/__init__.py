"""Pictures: where they lie, how they are read."""
