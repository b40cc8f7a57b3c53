"""What is known of classes, as vectors."""
