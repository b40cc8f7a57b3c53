"""SynTrans: mine visual descriptors of classes and use them for few-shot classification."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {"FewShotClassifier": "syntrans_training.prediction.estimator"}
"""Names that are imported when they are first asked for: `import syntrans` stays light."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'syntrans' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
