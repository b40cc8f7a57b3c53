"""The bridge from text to pictures (VSBird), and its ridge baseline."""
