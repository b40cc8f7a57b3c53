"""Class texts: text encoders, class vectors, and the weight of text in a task."""
