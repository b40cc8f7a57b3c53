"""CLIP's vectors of texts and pictures, through the cache: each is computed once, however often it is needed.

Texts are encoded in blocks of a fixed size, each kept whole or not at all. So a run that goes on encodes in the same
batches as one that was never stopped, and gets the same vectors to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syntrans.progress import Silent
from syntrans_mining.engines.base import TextVectors
from syntrans_mining.requests.response_cache import Vector, vector_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from syntrans.progress import Progress
    from syntrans_mining.engines.base import Picture
    from syntrans_mining.engines.workers.calls import WorkItem
    from syntrans_mining.engines.workers.host import Host
    from syntrans_mining.models import Model
    from syntrans_mining.requests.response_cache import ResponseCache

BLOCK = 1024


@dataclass(frozen=True)
class Vectors:
    """What one encoder says. ``windowed``: how many texts of each block it read in windows, in this process."""

    host: Host
    cache: ResponseCache
    model: Model
    progress: Progress = field(default_factory=Silent)
    windowed: list[int] = field(default_factory=list)

    @classmethod
    def of(
        cls, host: Host, cache: ResponseCache, model: Model | None, progress: Progress | None = None
    ) -> Vectors | None:
        """None without a model: the configuration does without CLIP."""
        return None if model is None else cls(host, cache, model, progress or Silent())

    def of_texts(self, texts: Sequence[str]) -> TextVectors:
        """One unit vector for each of ``texts``, in their order."""
        keys = {text: self._key("text", text) for text in dict.fromkeys(texts)}
        # A vector of an earlier version that read the beginning of its text alone is made again.
        vectors = {key: v for key, v in self.cache.get_vectors(keys.values()).items() if not v.truncated}
        missing = [text for text, key in keys.items() if key not in vectors]
        self.progress.expect(len(missing))
        for start in range(0, len(missing), BLOCK):
            block = missing[start : start + BLOCK]
            embedded: TextVectors = self.host.embed(self.model.name, "embed_texts", block).result()
            rows = zip(embedded.vectors, embedded.tokens, embedded.truncated, strict=True)
            fresh = {keys[text]: Vector(*row) for text, row in zip(block, rows, strict=True)}
            self.cache.put_vectors(fresh.items())
            vectors |= fresh
            self.windowed.append(embedded.windowed)
            self.progress.advance(len(block))
        ordered = [vectors[keys[text]] for text in texts]
        return TextVectors(_stack(ordered), [v.tokens for v in ordered], [v.truncated for v in ordered])

    def start_pictures(self, pictures: Sequence[Picture]) -> PictureVectors:
        """Begin to encode those of ``pictures`` that the cache does not know; their vectors come with `result`."""
        distinct = {self._key("picture", picture.sha256): picture for picture in pictures}
        kept = self.cache.get_vectors(distinct)
        missing = {key: picture for key, picture in distinct.items() if key not in kept}
        work_item = self.host.embed(self.model.name, "embed_images", list(missing.values())) if missing else None
        order = [self._key("picture", picture.sha256) for picture in pictures]
        return PictureVectors(self.cache, order, kept, list(missing), work_item)

    def _key(self, kind: str, content: str) -> str:
        return vector_key(identity=f"{self.model.identity}\n{kind}", content=content)


@dataclass(frozen=True)
class PictureVectors:
    """Vectors of pictures that are being encoded."""

    cache: ResponseCache
    order: list[str]
    known: dict[str, Vector]
    missing: list[str]
    work_item: WorkItem | None

    def result(self) -> NDArray[np.float32]:
        """Unit vectors [n, dim], in the order of the pictures; waits for them."""
        if self.work_item is not None and self.missing:
            rows: Any = self.work_item.result()
            fresh = {key: Vector(row) for key, row in zip(self.missing, rows, strict=True)}
            self.cache.put_vectors(fresh.items())
            self.known.update(fresh)
            self.missing.clear()
        return _stack([self.known[key] for key in self.order])


def _stack(vectors: Sequence[Vector]) -> NDArray[np.float32]:
    import numpy as np

    return np.stack([v.values for v in vectors]) if vectors else np.zeros((0, 1), dtype=np.float32)
