"""An open_clip model from a folder with ``open_clip_config.json`` and safetensors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.errors import ModelLoadError
from syntrans.images.image_set import decode
from syntrans.packages.extras import broken_import
from syntrans.packages.lean_imports import open_clip_for, open_clip_tokenizer
from syntrans.windows import clip_tokens
from syntrans_mining.engines.long_texts import embed_windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from syntrans_mining.engines.base import Picture, TextVectors


class ClipEncoder:
    """Both towers, in evaluation mode, float32 on CPUs. ``batch`` is the number of inputs a forward pass takes."""

    def __init__(self, path: str, *, device: str = "cpu", batch: int = 64) -> None:
        try:
            open_clip = open_clip_for(Path(path))
        except ImportError as error:
            raise broken_import(error, "open_clip", "train") from error
        self._device, self._batch = device, batch
        try:
            # Wrong preprocessing is silent and costly, so both come from the same folder as the weights.
            self._model, self._preprocess = open_clip.create_model_from_pretrained(f"local-dir:{path}", device=device)
            self._tokenizer = open_clip_tokenizer(Path(path))
        # Whatever is wrong with a model, open_clip and torch say it by any of these.
        except (ValueError, RuntimeError, OSError, KeyError, TypeError) as error:
            raise ModelLoadError(f"{path} does not load in open_clip: {type(error).__name__}: {error}") from error
        self._model.eval()

    def embed_texts(self, texts: Sequence[str]) -> TextVectors:
        """Unit vectors, and token counts with both end marks; what is longer than the context is read in windows."""
        return embed_windows(
            texts, partial(clip_tokens, self._tokenizer), int(self._tokenizer.context_length), self._embed
        )

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import torch

        parts = _parts(texts, self._batch)
        encode = self._model.encode_text
        vectors = [self._normalised(encode, self._tokenizer(list(part)).to(self._device)) for part in parts]
        stacked: NDArray[np.float32] = torch.cat(vectors).numpy() if vectors else self._empty()
        return stacked

    def embed_images(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Unit vectors of the pictures, preprocessed as the folder's configuration says."""
        import torch

        vectors = []
        for part in _parts(pictures, self._batch):
            images = [self._preprocess(decode(p.data, f"picture {p.sha256[:12]}")) for p in part]
            vectors.append(self._normalised(self._model.encode_image, torch.stack(images).to(self._device)))
        return torch.cat(vectors).numpy() if vectors else self._empty()

    def _normalised(self, encode: Any, inputs: Any) -> Any:
        import torch

        with torch.inference_mode():
            return torch.nn.functional.normalize(encode(inputs).float(), dim=-1).cpu()

    def _empty(self) -> NDArray[np.float32]:
        import numpy as np

        return np.zeros((0, 1), dtype=np.float32)


def _parts(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
