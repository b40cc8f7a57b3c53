"""Which text the rows without a text's name use, and that it goes with the run."""

from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from syntrans.contract.rows import DescriptorRow
from syntrans_training.bridge.val_tasks import ValSplit
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.encoder.features import Features
from syntrans_training.engine import checkpoint
from syntrans_training.engine.run_files import RIDGE
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.evaluation.trained_run import read_run
from syntrans_training.pipeline.stages import Texts, main_variants, ridge_stage
from syntrans_training.pipeline.train import train
from syntrans_training.text.class_vectors import Knowledge
from syntrans_training.text.encoders import TextEncoder


@pytest.fixture
def knowledge(descriptor_row: Callable[..., DescriptorRow]) -> Callable[..., Knowledge]:
    def of(*texts):
        return Knowledge({"fox": [descriptor_row("fox", text) for text in texts]}, {"fox": "fox"}, None)

    return of


def config(class_names="auto", template="{text}"):
    return TrainConfig.model_validate(
        {"ridge": {"class_names": class_names}, "text": {"descriptor_template": template}}
    )


def test_val_is_asked_about_class_names_only_where_descriptors_say_one(knowledge: Callable[..., Knowledge]) -> None:
    assert main_variants(knowledge("a fox is red"), config()) == ("kept", "unnamed")
    assert main_variants(knowledge("it is red"), config()) == ("kept",)
    assert main_variants(knowledge("it is red"), config(template="{name}, {which}")) == ("kept", "unnamed")


def test_class_names_are_kept_or_dropped_where_the_config_says_so(knowledge: Callable[..., Knowledge]) -> None:
    assert main_variants(knowledge("a fox is red"), config("keep")) == ("kept",)
    assert main_variants(knowledge("a fox is red"), config("drop")) == ("unnamed",)


def test_without_descriptors_there_are_names(knowledge: Callable[..., Knowledge]) -> None:
    assert main_variants(knowledge(), config("drop")) == ("name",)


def test_what_was_fitted_when_the_section_was_called_bridge_is_taken_as_it_is(
    knowledge: Callable[..., Knowledge], tmp_path: Path
) -> None:
    identity = "abfbd893148992f7"  # as that version gave it
    base, val = (Features(torch.zeros(2, 3), torch.tensor([0, 1]), ("a", "b"), key=key) for key in "bv")
    encoder = TextEncoder("tiny", "r", lambda: pytest.fail("a text was read"))
    texts = Texts(knowledge(), encoder, Mock(), Mock(), Mock(), None)
    checkpoint.save(tmp_path / RIDGE, {}, {"identity": identity})
    note = ridge_stage(TrainConfig(), base, ValSplit(val, np.zeros(2, dtype=bool)), texts, tmp_path)
    assert note == {"identity": identity}


@pytest.mark.slow
def test_a_run_without_class_names_is_evaluated_without_them_and_beside_them(
    features: Path,
    tiny_config: Callable[..., TrainConfig],
    write_toy_descriptors: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", str(tmp_path / "artifacts"))
    evaluation = tiny_config(
        data={"path": str(features)},
        encoder={"method": "precomputed"},
        text={"descriptor_template": "{name}: {text}"},
        ridge={"class_names": "drop"},
    )
    run = train(evaluation, out=tmp_path / "run", descriptors=write_toy_descriptors())
    assert read_run(run.folder).ridge.main == "unnamed"
    few = EvaluateConfig.model_validate({"episodes": {"shots": [1], "queries": 5, "episodes": 10}})
    rows = evaluate(run.folder, few, out=tmp_path / "evaluation")["results"]["1"]
    assert {"syntrans", "with_names", "name_only", "no_text"} <= rows.keys()
    keeping = evaluation.model_copy(update={"ridge": evaluation.ridge.model_copy(update={"class_names": "keep"})})
    other = train(keeping, out=tmp_path / "other", descriptors=write_toy_descriptors())
    assert read_run(other.folder).ridge.main == "kept"
    rows = evaluate(other.folder, few, out=tmp_path / "other-evaluation")["results"]["1"]
    assert "with_names" not in rows
