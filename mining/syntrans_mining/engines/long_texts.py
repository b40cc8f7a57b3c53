"""Texts of any length for an encoder that reads so many tokens at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from syntrans.windows import mean_vectors, windows
from syntrans_mining.engines.base import TextVectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def embed_windows(
    texts: Sequence[str],
    count: Callable[[str], int],
    limit: int,
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
) -> TextVectors:
    """Vectors of ``texts``, the long ones read in windows, with their lengths in tokens.

    ``embed`` gives unit vectors of texts with at most ``limit`` tokens. Truncated is what even the last resort, one
    character at a time, leaves too long.
    """
    parts = [windows(text, count, limit) for text in texts]
    flat = [part for of_text in parts for part in of_text]
    lengths = [len(of_text) for of_text in parts]
    vectors = mean_vectors(embed(flat), lengths) if texts else embed(flat)
    cut = [len(of_text) > 1 and any(count(part) > limit for part in of_text) for of_text in parts]
    return TextVectors(vectors, [count(text) for text in texts], cut, sum(n > 1 for n in lengths))
