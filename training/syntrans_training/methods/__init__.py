"""Few-shot methods: each answers a chunk of episodes with a score per query and class. Composition only."""

from .am3 import AM3
from .attention import AttentionWeights
from .base import LinearClassifiers, LinearMethod, Method, accuracy
from .cosine import CosineClassifier
from .fsktn import KnowledgeTransfer
from .fused import Fused
from .logistic import LogisticRegression
from .prototype import Euclidean, Prototype
from .ridge import RidgeRegression
from .semalign import SemanticAlignment
from .semantic import Semantic
from .simpleshot import SimpleShot
from .syntrans import SynTrans
from .tip_adapter import TipAdapter

__all__ = [
    "AM3",
    "AttentionWeights",
    "CosineClassifier",
    "Euclidean",
    "Fused",
    "KnowledgeTransfer",
    "LinearClassifiers",
    "LinearMethod",
    "LogisticRegression",
    "Method",
    "Prototype",
    "RidgeRegression",
    "Semantic",
    "SemanticAlignment",
    "SimpleShot",
    "SynTrans",
    "TipAdapter",
    "accuracy",
]
