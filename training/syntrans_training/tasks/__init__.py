"""Training tasks: modules and named losses, trained by `loop.fit`. A task's pictures are `data.augment.Pictures`."""
