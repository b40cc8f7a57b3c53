"""What a person gives `predict`: pictures, what is known of the classes, and a look at the supports."""
