"""Worker processes that hold the engines."""
