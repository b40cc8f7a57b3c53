"""Few-shot methods: each answers a chunk of episodes with a score per query and class. Composition only."""

from .base import Heads, Linear, Method, accuracy
from .fused import Fused
from .logistic import LogisticRegression
from .prototype import Euclidean, Prototype
from .semantic import Semantic

__all__ = ["Euclidean", "Fused", "Heads", "Linear", "LogisticRegression", "Method", "Prototype", "Semantic", "accuracy"]
