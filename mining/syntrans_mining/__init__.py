"""From class names to descriptors that several models wrote, questioned and saw."""
