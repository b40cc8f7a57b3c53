"""Training tasks: modules and named losses, trained by `loop.fit`."""
