"""Pictures of a data set: decoded once into memory-mapped arrays, augmented in batches."""

from .source import load_splits
from .store import Split

__all__ = ["Split", "load_splits"]
