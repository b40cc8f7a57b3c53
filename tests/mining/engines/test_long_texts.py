"""Texts longer than an encoder reads: in windows, to their end, and the ledger says so truthfully."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from syntrans.paths import resolve_model
from syntrans_mining.engines.base import TextVectors
from syntrans_mining.engines.clip import ClipEncoder
from syntrans_mining.engines.long_texts import embed_windows
from syntrans_mining.requests.embeddings import Vectors
from syntrans_mining.requests.response_cache import ResponseCache, Vector

SAME = "a picture of a red thing seen on green moss " * 8  # far over the 32 tokens of the world's CLIP


def test_clip_reads_long_texts_to_their_end_and_calls_them_whole() -> None:
    clip = ClipEncoder(str(resolve_model("package:syntrans_world/weights/clip")))
    vectors = clip.embed_texts([f"{SAME} a star shape", f"{SAME} a round shape", "a star shape"])
    assert not np.allclose(vectors.vectors[0], vectors.vectors[1], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors.vectors, axis=1), 1.0, atol=1e-5)
    assert vectors.truncated == [False, False, False]
    assert vectors.windowed == 2
    assert vectors.tokens[0] > 32 >= vectors.tokens[2]


def test_only_what_no_window_can_hold_is_called_truncated() -> None:
    def count(text: str) -> int:
        return 9 if "鳥" in text else 2 + len(text.split())  # one character of seven tokens

    embedded = embed_windows(["a b", "鳥 a b"], count, 5, lambda texts: np.ones((len(texts), 1), np.float32))
    assert embedded.truncated == [False, True]


class Host:
    """Embeds every text as a vector of ones, and remembers which it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, _model: str, _method: str, texts: Sequence[str]) -> SimpleNamespace:
        self.asked += texts
        vectors = np.ones((len(texts), 2), np.float32)
        return SimpleNamespace(result=lambda: TextVectors(vectors, [3] * len(texts), [False] * len(texts)))


def test_a_vector_that_an_earlier_version_made_of_a_cut_text_is_made_again(tmp_path: Path) -> None:
    journal, host = ResponseCache(tmp_path / "journal.sqlite"), Host()
    vectors = Vectors(host, journal, SimpleNamespace(name="clip", identity="i"))  # type: ignore[arg-type]
    keys = {text: vectors._key("text", text) for text in ("whole", "cut")}  # noqa: SLF001
    old = np.zeros(2, np.float32)
    journal.put_vectors([(keys["whole"], Vector(old, 3)), (keys["cut"], Vector(old, 99, truncated=True))])
    embedded = vectors.of_texts(["whole", "cut"])
    assert host.asked == ["cut"]
    assert embedded.vectors.tolist() == [[0, 0], [1, 1]]
    assert not journal.get_vectors([keys["cut"]])[keys["cut"]].truncated
    journal.close()
