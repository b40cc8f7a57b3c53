"""Few-shot methods: each answers a chunk of episodes with a score per query and class. Composition only."""

from .base import Method, accuracy
from .fused import Fused
from .prototype import Prototype
from .semantic import Semantic

__all__ = ["Fused", "Method", "Prototype", "Semantic", "accuracy"]
