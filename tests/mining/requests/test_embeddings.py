"""Every text and picture is encoded once, however often it is needed and whatever was stopped between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from syntrans_mining.engines.base import Picture, TextVectors
from syntrans_mining.requests import embeddings
from syntrans_mining.requests.embeddings import Vectors
from syntrans_mining.requests.response_cache import ResponseCache


class Encoder:
    """A host whose encoder gives each text the direction of its length, and notes what it was given."""

    def __init__(self) -> None:
        self.texts: list[list[str]] = []
        self.pictures: list[list[str]] = []

    def embed(self, _model: str, method: str, items: Sequence[Any]) -> Future[Any]:
        done: Future[Any] = Future()
        if method == "embed_texts":
            self.texts.append(list(items))
            angles = np.array([len(text) for text in items], np.float32)
            rows = np.stack([np.cos(angles), np.sin(angles)], 1)
            done.set_result(TextVectors(rows, [len(text) for text in items], [False] * len(items), windowed=1))
        else:
            self.pictures.append([picture.sha256 for picture in items])
            done.set_result(np.tile(np.array([[1, 0]], np.float32), (len(items), 1)))
        return done


@pytest.fixture
def encoder() -> Encoder:
    """An encoder that was asked nothing yet."""
    return Encoder()


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    """The cache of one run."""
    with closing(ResponseCache(tmp_path / "journal.sqlite")) as opened:
        yield opened


def vectors(encoder: Encoder, cache: ResponseCache, *, identity: str = "clip") -> Vectors:
    host: Any = encoder
    model: Any = SimpleNamespace(name="clip", identity=identity)
    return Vectors(host, cache, model)


def picture(name: str) -> Picture:
    return Picture(name * 64, b"")


def test_a_text_that_is_there_twice_is_encoded_once_and_stands_twice(encoder: Encoder, cache: ResponseCache) -> None:
    embedded = vectors(encoder, cache).of_texts(["aa", "b", "aa"])
    assert encoder.texts == [["aa", "b"]]
    assert embedded.tokens == [2, 1, 2]
    assert np.array_equal(embedded.vectors[0], embedded.vectors[2])
    assert not np.array_equal(embedded.vectors[0], embedded.vectors[1])


def test_what_the_cache_has_is_asked_of_nobody(encoder: Encoder, cache: ResponseCache) -> None:
    first = vectors(encoder, cache).of_texts(["aa", "b"])
    again = vectors(encoder, cache).of_texts(["b", "ccc", "aa"])
    assert encoder.texts == [["aa", "b"], ["ccc"]]
    assert np.array_equal(again.vectors[[2, 0]], first.vectors)


def test_texts_are_kept_block_by_block(encoder: Encoder, cache: ResponseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "BLOCK", 2)
    of = vectors(encoder, cache)
    of.of_texts(["a", "bb", "ccc"])
    assert encoder.texts == [["a", "bb"], ["ccc"]]
    assert of.windowed == [1, 1]


def test_another_encoder_has_vectors_of_its_own(encoder: Encoder, cache: ResponseCache) -> None:
    for identity in ("clip", "other"):
        vectors(encoder, cache, identity=identity).of_texts(["aa"])
    assert encoder.texts == [["aa"], ["aa"]]


def test_no_text_is_an_empty_table(encoder: Encoder, cache: ResponseCache) -> None:
    assert vectors(encoder, cache).of_texts([]).vectors.shape[0] == 0
    assert encoder.texts == []


def test_pictures_are_encoded_once_and_stand_in_their_order(encoder: Encoder, cache: ResponseCache) -> None:
    pictures = [picture("a"), picture("b"), picture("a")]
    started = vectors(encoder, cache).start_pictures(pictures)
    assert started.result().shape == (3, 2)
    assert started.result().shape == (3, 2)  # also when it is asked again
    assert vectors(encoder, cache).start_pictures(pictures[:1]).result().shape == (1, 2)
    assert encoder.pictures == [["a" * 64, "b" * 64]]


def test_a_configuration_without_an_encoder_has_no_vectors(encoder: Encoder, cache: ResponseCache) -> None:
    host: Any = encoder
    assert Vectors.of(host, cache, None) is None
