"""What users wait for: commands, pages, and the start beside earlier versions."""
