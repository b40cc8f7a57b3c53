"""Few-shot methods: each answers a chunk of episodes with a score per query and class. Composition only."""

from syntrans_training.methods.am3 import AM3
from syntrans_training.methods.attention import AttentionWeights
from syntrans_training.methods.base import LinearClassifiers, LinearMethod, Method, accuracy
from syntrans_training.methods.cosine import CosineClassifier
from syntrans_training.methods.fsktn import KnowledgeTransfer
from syntrans_training.methods.fused import Fused
from syntrans_training.methods.logistic import LogisticRegression
from syntrans_training.methods.prototype import Euclidean, Prototype
from syntrans_training.methods.ridge import RidgeRegression
from syntrans_training.methods.semalign import SemanticAlignment
from syntrans_training.methods.semantic import Semantic
from syntrans_training.methods.simpleshot import SimpleShot
from syntrans_training.methods.syntrans import ImaginedSynTrans, SynTrans, TransductiveSynTrans
from syntrans_training.methods.tip_adapter import TipAdapter

__all__ = [
    "AM3",
    "AttentionWeights",
    "CosineClassifier",
    "Euclidean",
    "Fused",
    "ImaginedSynTrans",
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
    "TransductiveSynTrans",
    "accuracy",
]
