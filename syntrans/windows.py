"""Windows over a text that is longer than its encoder reads: their vectors are averaged.

Nothing of a text is left out: it is divided between words into as few parts of about equal length as fit, each is
embedded by itself, and the mean of the unit vectors is made unit again. Where a part without blanks is still too long
(Chinese, Japanese, a chain of letters), it is divided between characters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def windows(text: str, count: Callable[[str], int], limit: int) -> list[str]:
    """The parts of ``text`` that an encoder reads: the text itself where it has at most ``limit`` tokens.

    ``count`` gives the length of a text in tokens, end marks included.
    """
    if len(text.encode("utf-8", "surrogatepass")) + 2 <= limit:  # a token has at least one byte
        return [text]
    tokens = count(text)
    if tokens <= limit:
        return [text]
    units = [part for word in text.split() for part in _of_characters(word, count, limit)]
    n = max(2, -(-tokens // limit))
    while n < len(units):
        parts = [" ".join(part) for part in _divided(units, n)]
        if all(count(part) <= limit for part in parts):
            return parts
        n += max(1, n // 8)
    return units


def mean_vectors(vectors: NDArray[np.float32], parts: Sequence[int]) -> NDArray[np.float32]:
    """Unit vectors [text, dim] from those of all windows in a row [window, dim]; text i has ``parts[i]`` of them.

    The vector of a text with one window stays as it is, to the last bit.
    """
    import numpy as np

    starts = np.concatenate([[0], np.cumsum(parts)[:-1]]).astype(np.int64)
    means = np.array(vectors[starts])
    for text, (start, n) in enumerate(zip(starts, parts, strict=True)):
        if n > 1:
            mean = vectors[start : start + n].mean(axis=0)
            means[text] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return means


def long_texts(long: int, n: int, limit: int, encoder: str) -> str:
    """What a person is told once: so many of ``n`` texts are read in windows."""
    return (
        f"{long} of {n} texts are longer than the {limit} tokens that {encoder} reads; such texts are read in windows, "
        "and the vectors averaged"
    )


def clip_tokens(tokenizer: Any, text: str) -> int:
    """The length of a text in tokens of an open_clip tokenizer, before any cut; both end marks included."""
    inner = getattr(tokenizer, "tokenizer", None)  # a Hugging Face tokenizer counts its own marks
    if inner is not None:
        return len(inner(text)["input_ids"])
    return len(tokenizer.encode(text)) + 2


def _of_characters(word: str, count: Callable[[str], int], limit: int) -> list[str]:
    """The word itself where it fits, else its parts, character by character if need be."""
    if len(word.encode("utf-8", "surrogatepass")) + 2 <= limit:
        return [word]
    n = max(1, -(-count(word) // limit))
    while n < len(word):
        parts = ["".join(part) for part in _divided(word, n)]
        if all(count(part) <= limit for part in parts):
            return parts
        n += max(1, n // 8)
    return list(word)


def _divided(units: Sequence[str], n: int) -> list[Sequence[str]]:
    ends = [round(i * len(units) / n) for i in range(n + 1)]
    return [units[start:end] for start, end in pairwise(ends)]
