"""Which models fit on which device, and in which order they are loaded."""
