"""Pictures of a data set: decoded once into memory-mapped arrays, augmented in batches."""

from syntrans_training.data.load_splits import load_splits
from syntrans_training.data.store import Split

__all__ = ["Split", "load_splits"]
