"""Text encoders from local folders, and a cache of what they said.

Two kinds: an open_clip folder (`open_clip_config.json` + safetensors) gives its text tower; a transformers or
sentence-transformers folder (`config.json` + safetensors) gives pooled last hidden states. Only safetensors are
loaded and no code that comes with a model is run.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError

from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError
from syntrans.input_files import read_json
from syntrans.paths import artifacts_root, resolve_model
from syntrans.sealed_parquet import read_sealed, write_sealed

from .progress import say, track

BATCH = 64


@dataclass(frozen=True)
class TextEncoder:
    """`encode(texts)` gives unit vectors [n, dim] float32. `revision` hashes the weights."""

    name: str
    revision: str
    encode_batch: Callable[[Sequence[str]], NDArray[np.float32]]

    def encode(self, texts: Sequence[str], *, cache: Path | None = None) -> NDArray[np.float32]:
        """Embed `texts`, in order; each distinct text is computed once and kept on disk."""
        folder = (cache or artifacts_root() / "cache" / "text") / self.revision
        known = _read_cache(folder)
        missing = sorted({t for t in texts if _text_key(t) not in known})
        if missing:
            known |= self._compute(missing, folder)
        return np.stack([known[_text_key(t)] for t in texts])

    def _compute(self, texts: list[str], folder: Path) -> dict[str, NDArray[np.float32]]:
        # Texts of similar length share a batch, so little is padded.
        order = sorted(texts, key=len)
        parts = []
        with track(f"embed with {self.name}", len(order), "texts") as progress:
            for start in range(0, len(order), BATCH):
                parts.append(self.encode_batch(order[start : start + BATCH]))
                progress.advance(len(parts[-1]))
        vectors = np.concatenate(parts).astype(np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        keys = [_text_key(t) for t in order]
        _write_cache(folder, keys, vectors)
        return dict(zip(keys, vectors, strict=True))


def open_text_encoder(ref: str) -> TextEncoder:
    """The text encoder behind a folder or `package:` reference.

    Raises `ModelLoadError` when it is not there, of an unknown form, or has no safetensors.
    """
    folder = resolve_model(ref)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelLoadError(f"{ref}: no *.safetensors in the folder; other weight formats are not loaded")
    revision = _revision(folder, weights)
    try:
        if (folder / "open_clip_config.json").exists():
            return TextEncoder(folder.name, revision, _open_clip(folder))
        if (folder / "config.json").exists():
            return TextEncoder(_name(folder), revision, _transformer(folder))
    except (InputError, OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelLoadError(f"{ref}: does not load as a text encoder: {error}") from error
    raise ModelLoadError(f"{ref}: neither open_clip_config.json nor config.json in the folder; not a text encoder")


def _name(folder: Path) -> str:
    # ".../some_encoder/model" says little by its last part.
    return folder.parent.name if folder.name == "model" else folder.name


def _revision(folder: Path, weights: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in [*weights, *sorted(folder.glob("*.json")), *sorted(folder.glob("1_Pooling/*.json"))]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _open_clip(folder: Path) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    import open_clip
    import torch

    source = f"local-dir:{folder.resolve()}"
    model = open_clip.create_model(source).float().eval()
    tokenizer = open_clip.get_tokenizer(source)

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = model.encode_text(tokenizer(list(texts)), normalize=True).float().numpy()
        return found

    return encode


def _transformer(folder: Path) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # our own bar is enough

    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    model = AutoModel.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
    ).eval()
    pooling = _read_json(folder / "1_Pooling" / "config.json")
    limit = int(_read_json(folder / "sentence_bert_config.json").get("max_seq_length", 256))
    by_cls = bool(pooling.get("pooling_mode_cls_token", False))

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        batch = tokenizer(list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).float()
        pooled = hidden[:, 0] if by_cls else (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        found: NDArray[np.float32] = pooled.numpy()
        return found

    return encode


def _read_json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(path, "download the model again") if path.exists() else {}
    return found


def _text_key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _read_cache(folder: Path) -> dict[str, NDArray[np.float32]]:
    known: dict[str, NDArray[np.float32]] = {}
    for path in sorted(folder.glob("*.parquet")):
        try:
            table = read_sealed(path)
            dim = table.schema.field("embedding").type.list_size
            vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(-1, dim)
            known.update(zip(table["text"].to_pylist(), vectors, strict=True))
        except (InputError, LookupError, AttributeError, ValueError, pa.ArrowException) as error:
            say(f"cache passed over: {path} ({error})")
    return known


def _write_cache(folder: Path, keys: list[str], vectors: NDArray[np.float32]) -> None:
    # One new file per call: files are never rewritten, so two runs may share the cache.
    flat = pa.array(vectors.reshape(-1))
    columns = {"text": keys, "embedding": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
    name = hashlib.sha256("".join(keys).encode()).hexdigest()[:16]
    try:
        write_sealed(folder / f"{name}-{os.getpid()}.parquet", pa.table(columns))
    except EnvironmentProblem as error:
        say(f"not kept for the next run: {error}")
