"""Where pictures and texts meet: features become unit vectors of a space in which class members lie close together.

A space is fitted once on labelled photographs (`fit_space`, linear discriminant analysis with shrinkage) and shipped
for the embedded default, with a ridge map from sentence vectors to class means (the bridge) and the means of its own
classes, a background that novelty is measured against. Other encoders get the plain space: unit features as they are.
docs/method.md (49), (20).
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from syntrans.errors import ModelLoadError
from syntrans.packages.extras import broken_import
from syntrans_training.prediction.class_model import ClassModel
from syntrans_training.prediction.shapes import Float, Int

SHIPPED = Path(__file__).with_name("photo_bridge.safetensors")
SHRINKAGE = 0.3  # of the within-class covariance, towards its mean variance
FLOOR = 0.5  # variance that unseen classes may have on every axis, in units of the within-class variance
RIDGE = 3.0  # of the text map, relative to the spread of the texts


@dataclass(frozen=True)
class TextMap:
    """Ridge regression from sentence vectors to class means of the space."""

    weight: Float[np.ndarray, "s r"]
    mean_in: Float[np.ndarray, " s"]
    mean_out: Float[np.ndarray, " r"]

    def __call__(self, vectors: Float[np.ndarray, "n s"]) -> Float[np.ndarray, "n r"]:
        """Predicted class means."""
        return np.asarray((vectors - self.mean_in) @ self.weight + self.mean_out, np.float32)


@runtime_checkable
class Bridge(Protocol):
    """A trained bridge: it has a space of its own, and makes classes of supports and texts in its own way."""

    def project(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n r"]:
        """Raw features in its space."""
        ...

    def classes(
        self,
        supports: Float[np.ndarray, "n r"],
        labels: Int[np.ndarray, " n"],
        texts: Float[np.ndarray, "c r"] | None,
        n_classes: int,
    ) -> ClassModel:
        """The classes of supports and of what text predicts, as `class_means.class_directions`."""
        ...


@dataclass(frozen=True)
class Space:
    """`project` takes raw features; `background` are unit means of the classes it was fitted on.

    Without `transform` the space is that of the unit features. `text` is None where no text leads into it. With a
    trained `bridge` the space is the bridge's, whose vectors need not be unit.
    """

    mean: Float[np.ndarray, " d"] | None = None
    transform: Float[np.ndarray, "r d"] | None = None
    background: Float[np.ndarray, "b r"] | None = None
    text: Callable[[Float[np.ndarray, "n s"]], Float[np.ndarray, "n r"]] | None = None
    note: dict[str, Any] = field(default_factory=dict)
    bridge: Bridge | None = None

    def project(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n r"]:
        """Vectors of length one but in a trained bridge's space."""
        if self.bridge is not None:
            return self.bridge.project(features)
        z = unit(features)
        if self.transform is not None and self.mean is not None:
            return unit((z - self.mean) @ self.transform.T)
        return z


def unit(x: Float[np.ndarray, "*n r"]) -> Float[np.ndarray, "*n r"]:
    """Rows of length one in single precision; a row of zeros stays."""
    lengths = np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
    return np.asarray(x / lengths, np.float32)


def fit_space(
    features: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]
) -> tuple[Space, Float[np.ndarray, "c r"]]:
    """The space of labelled features without its text map, and the class means in it.

    The within-class covariance is whitened, its axes turned to those of the class means, and every axis weighted by
    sqrt(b / (b + 1)) with b the between-class variance plus `FLOOR`: what one picture says about a class mean.
    """
    z = unit(features).astype(np.float64)
    means = np.stack([z[labels == c].mean(0) for c in range(labels.max() + 1)])
    centre = means.mean(0)
    rest = z - means[labels]
    within = rest.T @ rest / (len(z) - len(means))
    d = len(within)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / d * np.eye(d)
    values, axes = np.linalg.eigh(within)
    whiten = (axes / np.sqrt(values)).T
    spread = (means - centre) @ whiten.T
    between, turn = np.linalg.eigh(spread.T @ spread / len(means))
    between = np.maximum(between - len(means) / len(z), 0) + FLOOR
    transform = (turn * np.sqrt(between / (between + 1))).T @ whiten
    projected = (unit(features) - centre.astype(np.float32)) @ transform.T.astype(np.float32)
    in_space = np.stack([projected[labels == c].mean(0) for c in range(len(means))])
    space = Space(centre.astype(np.float32), transform.astype(np.float32), unit(in_space))
    return space, in_space.astype(np.float32)


def fit_text_map(texts: Float[np.ndarray, "n s"], means: Float[np.ndarray, "n r"]) -> TextMap:
    """The ridge map from sentence vectors to class means, one row a text; in the dual form."""
    s, w = texts.astype(np.float64), means.astype(np.float64)
    mean_in, mean_out = s.mean(0), w.mean(0)
    gram = (s - mean_in) @ (s - mean_in).T
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    weight = (s - mean_in).T @ np.linalg.solve(gram, w - mean_out)
    return TextMap(weight.astype(np.float32), mean_in.astype(np.float32), mean_out.astype(np.float32))


def save_space(path: Path, space: Space) -> None:
    """Write a fitted space in half precision, atomically, with its note."""
    from safetensors.numpy import save_file

    from syntrans.paths import atomic_path

    if space.mean is None or space.transform is None or space.background is None or not isinstance(space.text, TextMap):
        raise ValueError("only a space that was fitted with a text map is written")
    tensors = {
        "mean": space.mean,
        "transform": space.transform,
        "background": space.background,
        "text.weight": space.text.weight,
        "text.mean_in": space.text.mean_in,
        "text.mean_out": space.text.mean_out,
    }
    half = {name: np.ascontiguousarray(tensor, np.float16) for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(half, str(temporary), metadata={"note": json.dumps(space.note, sort_keys=True)})


def load_space(path: Path = SHIPPED) -> Space:
    """The space of a file; `ModelLoadError` when it is missing or damaged."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise broken_import(error, "the bridge", "predict") from error
    try:
        with safe_open(str(path), framework="numpy") as file:
            note = json.loads((file.metadata() or {})["note"])
            t = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118 - no mapping
        text = TextMap(t["text.weight"], t["text.mean_in"], t["text.mean_out"])
        return Space(t["mean"], t["transform"], t["background"], text, note)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelLoadError(f"{path} is not a readable bridge ({error}); install syntrans again") from error


def weights_sha256(path: Path) -> str:
    """sha256 of an ONNX file and of the weights that lie beside it (`<file>.data`)."""
    digest = hashlib.sha256(path.read_bytes())
    beside = path.with_name(path.name + ".data")
    if beside.is_file():
        digest.update(beside.read_bytes())
    return digest.hexdigest()
