"""Text encoders from local folders, and a cache of what they said.

Two kinds: an open_clip folder (`open_clip_config.json` + safetensors) gives its text tower; a transformers or
sentence-transformers folder (`config.json` + safetensors) gives pooled last hidden states. Only safetensors are
loaded and no code that comes with a model is run. A text longer than the encoder reads is read in windows.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError

from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError
from syntrans.files.input_files import read_model_json
from syntrans.files.sealed_parquet import read_sealed, write_sealed
from syntrans.packages.lean_imports import hidden, open_clip_for, open_clip_tokenizer
from syntrans.paths import artifacts_root, resolve_model
from syntrans.progress import say, track
from syntrans.windows import clip_tokens, long_texts, mean_vectors, windows

BATCH = 64
MOST = 2**31  # tokens: where an encoder has no limit


@dataclass(frozen=True)
class TextModel:
    """A model in memory: vectors [n, dim] of a batch, the length of a text in tokens, and how many tokens it reads."""

    encode_batch: Callable[[Sequence[str]], NDArray[np.float32]]
    count: Callable[[str], int] = len
    limit: int = MOST


@dataclass(frozen=True)
class TextEncoder:
    """`encode(texts)` gives unit vectors [n, dim] float32. `revision` hashes the weights.

    `model` is called for texts whose vectors are not on disk; `windowed` collects the texts that were longer than it
    reads, `unkept` has the vectors for which the disk had no room: computed again with other texts, their last bits
    would be others. `kept` is what files of the cache hold, each read once: they are never rewritten.
    """

    name: str
    revision: str
    model: Callable[[], TextModel]
    windowed: set[str] = field(default_factory=set)
    unkept: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    kept: dict[Path, dict[str, NDArray[np.float32]]] = field(default_factory=dict)

    def encode(self, texts: Sequence[str], *, cache: Path | None = None) -> NDArray[np.float32]:
        """Embed `texts`, in order; each distinct text is computed once and kept on disk, a long one in windows."""
        folder = _cache_folder(self.revision, cache)
        kept = _read_cache(folder, self.kept) | self.unkept
        parts = [[text] if _text_key(text) in kept else self._windows(text) for text in texts]
        self._say_long({text for text, of_text in zip(texts, parts, strict=True) if len(of_text) > 1}, len({*texts}))
        flat = [part for of_text in parts for part in of_text]
        missing = sorted({part for part in flat if _text_key(part) not in kept})
        if missing:
            kept |= self._compute(missing, folder)
        vectors = np.stack([kept[_text_key(part)] for part in flat])
        if not (finite := np.isfinite(vectors).all(1)).all():
            raise ModelLoadError(
                f"{self.name} gives vectors that are not finite for {int((~finite).sum())} of {len(flat)} texts, the "
                f"first is {flat[int(finite.argmin())][:60]!r}; its weights are damaged: name another in text.encoder"
            )
        return mean_vectors(vectors, [len(of_text) for of_text in parts])

    def _windows(self, text: str) -> list[str]:
        model = self.model()
        return windows(text, model.count, model.limit)

    def _say_long(self, long: set[str], n: int) -> None:
        if long and not self.windowed:
            say(long_texts(len(long), n, self.model().limit, self.name))
        self.windowed.update(long)

    def _compute(self, texts: list[str], folder: Path) -> dict[str, NDArray[np.float32]]:
        # Texts of similar length share a batch, so little is padded.
        order, model = sorted(texts, key=len), self.model()
        parts = []
        with track(f"embed with {self.name}", len(order), "texts") as progress:
            for start in range(0, len(order), BATCH):
                parts.append(model.encode_batch(order[start : start + BATCH]))
                progress.advance(len(parts[-1]))
        vectors = np.concatenate(parts).astype(np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        keys = [_text_key(t) for t in order]
        computed = dict(zip(keys, vectors, strict=True))
        if np.isfinite(vectors).all() and not _write_cache(folder, keys, vectors):
            self.unkept.update(computed)
        return computed


def open_text_encoder(ref: str) -> TextEncoder:
    """The text encoder behind a folder or `package:` reference.

    Its model is loaded at once, which takes seconds, so that one that does not load ends a run before its long work;
    but where the cache has vectors of it, it has loaded before, and loads for the first text that is not there.
    Raises `ModelLoadError` when it is not there, of an unknown form, or has no safetensors.
    """
    folder = resolve_model(ref)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelLoadError(f"{ref}: no *.safetensors in the folder; other weight formats are not loaded")
    encoder = TextEncoder(_name(folder), _revision(folder, weights), cache(partial(_load, ref, folder)))
    if not _is_cached(encoder.revision):
        encoder.model()
    return encoder


def _load(ref: str, folder: Path) -> TextModel:
    try:
        if (folder / "open_clip_config.json").exists():
            return _open_clip(folder)
        if (folder / "config.json").exists():
            return _transformer(folder)
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


def _open_clip(folder: Path) -> TextModel:
    """The text tower of a CLIP."""
    import torch

    model = open_clip_for(folder).create_model(f"local-dir:{folder.resolve()}").float().eval()
    tokenizer = open_clip_tokenizer(folder)

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        with torch.inference_mode():
            vectors: NDArray[np.float32] = model.encode_text(tokenizer(list(texts)), normalize=True).float().numpy()
        return vectors

    return TextModel(encode, partial(clip_tokens, tokenizer), int(tokenizer.context_length))


def _transformer(folder: Path) -> TextModel:
    """A sentence encoder."""
    import torch

    with hidden("sklearn"):
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

    logging.disable_progress_bar()  # our own bar is enough

    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    model = AutoModel.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
    ).eval()
    pooling = read_model_json(folder / "1_Pooling" / "config.json")
    said = int(read_model_json(folder / "sentence_bert_config.json").get("max_seq_length", 256))
    limit = min(said, int(getattr(model.config, "max_position_embeddings", said)))
    by_cls = bool(pooling.get("pooling_mode_cls_token", False))

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        batch = tokenizer(list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).float()
        pooled = hidden[:, 0] if by_cls else (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        vectors: NDArray[np.float32] = pooled.numpy()
        return vectors

    return TextModel(encode, lambda text: len(tokenizer(text, verbose=False)["input_ids"]), limit)


def _text_key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _cache_folder(revision: str, cache: Path | None = None) -> Path:
    return (cache or artifacts_root() / "cache" / "text") / revision


def _is_cached(revision: str) -> bool:
    """Whether the cache has vectors of an encoder."""
    try:
        return any(_cache_folder(revision).glob("*.parquet"))
    except OSError:  # of a folder that may not be read, by Python 3.11; `_read_cache` says it
        return False


def _read_cache(folder: Path, read: dict[Path, dict[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """The vectors of all files; those of new ones are added to `read`."""
    try:
        files = sorted(folder.glob("*.parquet"))
    except OSError as error:
        say(f"cache passed over: {folder} ({error.strerror})")
        return {}
    for path in files:
        if path not in read:
            read[path] = _read_file(path)
    return {key: vector for path in files for key, vector in read[path].items()}


def _read_file(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        table = read_sealed(path)
        dim = table.schema.field("embedding").type.list_size
        vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(-1, dim)
        return dict(zip(table["text"].to_pylist(), vectors, strict=True))
    except (InputError, LookupError, AttributeError, ValueError, pa.ArrowException) as error:
        say(f"cache passed over: {path} ({error})")
        return {}


def _write_cache(folder: Path, keys: list[str], vectors: NDArray[np.float32]) -> bool:
    """Keep the vectors on disk; whether it could be done."""
    # One new file per call: files are never rewritten, so two runs may share the cache.
    flat = pa.array(vectors.reshape(-1))
    columns = {"text": keys, "embedding": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
    name = hashlib.sha256("".join(keys).encode()).hexdigest()[:16]
    try:
        write_sealed(folder / f"{name}-{os.getpid()}.parquet", pa.table(columns))
    except EnvironmentProblem as error:
        say(f"not kept for the next run: {error}")
        return False
    return True
