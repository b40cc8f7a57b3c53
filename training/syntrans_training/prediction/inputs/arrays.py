"""What scikit-learn's users hand to an estimator: labels and rows of numbers, checked and refused in its own words."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from syntrans.errors import InputError
from syntrans_training.prediction.space import Array


class BadValue(InputError, ValueError):
    """What was given cannot be used; scikit-learn expects a `ValueError`."""


def labels_of(labels: Any) -> NDArray[Any]:
    """Class labels [n]; raises `BadValue` for what names no classes."""
    if labels is None:
        raise BadValue("requires y to be passed, but the target y is None; give one label a picture")
    found = np.asarray(labels)
    if found.ndim == 2 and found.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected; it is made flat", _warning(), stacklevel=2
        )
        found = found[:, 0]
    if found.ndim != 1:
        raise BadValue(f"labels have shape {found.shape}; give one label a picture")
    if np.issubdtype(found.dtype, np.floating):
        if not np.isfinite(found).all():
            raise BadValue("Input y contains NaN or infinity; give every picture a label")
        if (found != np.floor(found)).any():
            raise BadValue("Unknown label type: continuous numbers; labels are names or whole numbers")
    return found


def feature_rows(x: Any, known: int | None) -> Array:
    """Finite features [n, d], d as `known` says; raises `BadValue`, or `TypeError` for what is no number."""
    if hasattr(x, "toarray"):
        raise BadValue("sparse input is not supported; give a dense array, as x.toarray() makes one")
    rows = np.asarray(x)
    if rows.dtype == object:
        rows = rows.astype(np.float64)
    if np.iscomplexobj(rows):
        raise BadValue("Complex data not supported; give real numbers")
    if rows.ndim != 2 or not np.issubdtype(rows.dtype, np.number):
        raise BadValue(
            f"features have shape {rows.shape} and type {rows.dtype}; give numbers [n, d]. Reshape your data"
        )
    if rows.shape[1] == 0:
        raise BadValue(f"0 feature(s) (shape={rows.shape}) while a minimum of 1 is required.")
    if not np.isfinite(rows).all():
        raise BadValue("Input X contains NaN or infinity; leave those pictures out")
    if known is not None and rows.shape[1] != known:
        raise BadValue(f"X has {rows.shape[1]} features, but FewShotClassifier is expecting {known} features as input")
    return rows.astype(np.float32)


def _warning() -> type[Warning]:
    """Scikit-learn's own, where it is there."""
    try:
        from sklearn.exceptions import DataConversionWarning
    except ImportError:
        return UserWarning
    found: type[Warning] = DataConversionWarning
    return found
