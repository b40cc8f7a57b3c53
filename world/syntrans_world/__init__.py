"""The embedded world: rendered pictures of invented classes with known truth, and real tiny models of it."""
