"""Requests to models: building, sending, caching."""
