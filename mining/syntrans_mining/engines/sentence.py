"""A sentence encoder from a folder in the transformers or sentence-transformers format: text in, one vector out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.errors import ModelLoadError
from syntrans.files.input_files import read_model_json
from syntrans.packages.extras import broken_import
from syntrans.packages.lean_imports import hidden
from syntrans_mining.engines.long_texts import embed_windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from syntrans_mining.engines.base import TextVectors

DEFAULT_LENGTH = 256  # tokens, where the folder does not say


class SentenceEncoder:
    """Pooled last hidden states, float32, in evaluation mode. ``batch`` is the number of texts a forward pass takes.

    Pooled is the mean over tokens, or the first token where ``1_Pooling/config.json`` says so.
    """

    def __init__(self, path: str, *, device: str = "cpu", batch: int = 64) -> None:
        try:
            import torch

            with hidden("sklearn"):
                from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise broken_import(error, "transformers", "train") from error
        self._device, self._batch = device, batch
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
            model = AutoModel.from_pretrained(
                path, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
            )
        # Whatever is wrong with a model, transformers and torch say it by any of these.
        except (ValueError, RuntimeError, OSError, KeyError, TypeError) as error:
            raise ModelLoadError(f"{path} does not load in transformers: {type(error).__name__}: {error}") from error
        self._model = model.to(device).eval()
        self._by_first = bool(read_model_json(Path(path) / "1_Pooling" / "config.json").get("pooling_mode_cls_token"))
        said = read_model_json(Path(path) / "sentence_bert_config.json").get("max_seq_length", DEFAULT_LENGTH)
        self._limit = min(int(said), int(getattr(model.config, "max_position_embeddings", said)))

    def embed_texts(self, texts: Sequence[str]) -> TextVectors:
        """Unit vectors, and token counts with both end marks; what is longer than the context is read in windows."""
        return embed_windows(texts, self._count, self._limit, self._embed)

    def _count(self, text: str) -> int:
        return len(self._tokenizer(text, verbose=False)["input_ids"])

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        vectors = [self._encode(texts[start : start + self._batch]) for start in range(0, len(texts), self._batch)]
        return np.concatenate(vectors) if vectors else np.zeros((0, 1), dtype=np.float32)

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import torch

        inputs = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._limit, return_tensors="pt"
        ).to(self._device)
        with torch.inference_mode():
            hidden = self._model(**inputs).last_hidden_state
            mask = inputs["attention_mask"].unsqueeze(-1).float()
            pooled = hidden[:, 0] if self._by_first else (hidden * mask).sum(1) / mask.sum(1)
            unit_vectors: NDArray[np.float32] = torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()
        return unit_vectors
