"""What reads pictures and texts, none of it imported before it is needed."""
