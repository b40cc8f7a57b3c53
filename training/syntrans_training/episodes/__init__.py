"""Few-shot tasks: drawing and keeping them."""
