"""What scikit-learn's users hand to an estimator: labels and rows of numbers, checked and refused in its own words."""

import warnings
from typing import Any

import numpy as np

from syntrans.errors import InputError
from syntrans_training.prediction.shapes import Float, Shaped


class BadValue(InputError, ValueError):
    """What was given cannot be used; scikit-learn expects a `ValueError`."""


def labels_of(labels: Any) -> Shaped[np.ndarray, " n"]:
    """Class labels; raises `BadValue` for what names no classes."""
    if labels is None:
        raise BadValue("requires y to be passed, but the target y is None; give one label a picture")
    y = np.asarray(labels)
    if y.ndim == 2 and y.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected; it is made flat", _warning(), stacklevel=2
        )
        y = y[:, 0]
    if y.ndim != 1:
        raise BadValue(f"labels have shape {y.shape}; give one label a picture")
    if np.issubdtype(y.dtype, np.floating):
        if not np.isfinite(y).all():
            raise BadValue("Input y contains NaN or infinity; give every picture a label")
        if (y != np.floor(y)).any():
            raise BadValue("Unknown label type: continuous numbers; labels are names or whole numbers")
    return y


def feature_rows(x: Any, width: int | None) -> Float[np.ndarray, "n d"]:
    """Finite features, of this `width`; raises `BadValue`, or `TypeError` for what is no number."""
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
    if width is not None and rows.shape[1] != width:
        raise BadValue(f"X has {rows.shape[1]} features, but FewShotClassifier is expecting {width} features as input")
    return rows.astype(np.float32)


def _warning() -> type[Warning]:
    """Scikit-learn's own, where it is there."""
    try:
        from sklearn.exceptions import DataConversionWarning
    except ImportError:
        return UserWarning
    warning: type[Warning] = DataConversionWarning
    return warning
