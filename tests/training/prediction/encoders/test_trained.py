"""`syntrans predict --encoder run:<folder>`: the encoder, texts and bridge of a finished training."""

import csv
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from syntrans import FewShotClassifier
from syntrans.cli.app import run as syntrans
from syntrans.contract.rows import DescriptorRow, FileMetadata
from syntrans.contract.writing import write_descriptors
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.evaluation.evaluated_split import open_episodes, open_evaluated_split
from syntrans_training.evaluation.table_rows import build_rows
from syntrans_training.evaluation.trained_run import read_run
from syntrans_training.pipeline.train import train
from syntrans_training.prediction.encoders.trained import RunKnowledge
from syntrans_training.prediction.predictor import Settings, fit
from syntrans_training.prediction.reasons import explain

pytestmark = pytest.mark.slow  # a training, for all of them
SHAPE = {"ways": 5, "queries": 4, "shots": [1, 3]}
FEW = EvaluateConfig.model_validate({"device": "cpu", "episodes": {**SHAPE, "episodes": 5}})


@pytest.fixture(scope="module")
def trained_run(
    toy_data: Path,
    tiny_text_encoder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    descriptor_row: Callable[..., DescriptorRow],
    toy_classes: list[str],
):
    """A training with descriptors, small enough for every test here, and its descriptor file."""
    root = tmp_path_factory.mktemp("run")
    rows = [descriptor_row(name, f"it is {word}") for name in toy_classes for word in name.split()]
    meta = FileMetadata(run_id="toy", class_list_sha256="0" * 64, prompt_sha256={}, images_seen=[])
    write_descriptors(root / "descriptors.parquet", rows, meta)
    config = TrainConfig.model_validate(
        {
            "device": "cpu",
            "data": {"path": str(toy_data), "size": 20},
            "encoder": {
                "backbone": "resnet12-tiny", "train_size": 16, "test_size": 16, "epochs": 1, "batch_size": 16,
                "precision": "fp32", "augment": {"crop_area": [0.8, 1.0], "jitter": 0.1},
            },
            "text": {"encoder": str(tiny_text_encoder)},
            "ridge": {"episodes": 10, "lambdas": [1.0], "shrinkages": [1.0], "alpha_step": 0.25},
            "vsbird": {"seeds": 1, "steps": 4, "feature_powers": [0.5], "shrinkages": [1.0], "lambdas": [1.0]},
            "baselines": {"names": [], "episodes": 10, "steps": 2},
            "episodes": {"shots": [1, 3], "queries": 4},
        }
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTRANS_ARTIFACTS", str(root / "artifacts"))
        folder = train(config, out=root / "trained", descriptors=root / "descriptors.parquet").folder
    return folder, root / "descriptors.parquet"


@pytest.fixture(scope="module")
def subject(trained_run, tmp_path_factory: pytest.TempPathFactory):
    """The run on its novel classes, as `evaluate` opens it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTRANS_ARTIFACTS", str(tmp_path_factory.mktemp("artifacts")))
        return open_evaluated_split(read_run(trained_run[0]), device="cpu", views=False)


def evaluated(subject, shots, number):
    """One frozen episode, and the class numbers that the inductive row of an evaluation gives its queries."""
    episode = open_episodes(subject, shots, **FEW.tasks).episodes[number]
    row = build_rows(
        subject.features, {}, n_classes=len(subject.split.classes), shots=shots, draws=1, level="inductive"
    )["syntrans"]
    support, query = (torch.from_numpy(part)[None] for part in (episode.support, episode.query.reshape(-1)))
    classes = torch.from_numpy(episode.classes)[None]
    scores = row.methods[0].scores(row.features[support], row.features[query], classes)
    return episode, episode.classes[scores[0].argmax(-1).numpy()]


def predictor_of(subject, episode, *, inductive=True, text=True):
    """The predictor of the same supports, texts and run."""
    names = tuple(subject.split.classes[c] for c in episode.classes)
    labels = np.repeat(np.arange(len(names)), episode.support.shape[1])
    trained = RunKnowledge(subject.run)
    told = trained.texts(trained.descriptors(None, names), names, labels) if text else None
    features = subject.features.raw.numpy()[episode.support.reshape(-1)]
    return fit(features, labels, names, trained.space(told, labels), told, Settings(inductive=inductive))


def write_pictures(toy_data: Path, subject, episode, root):
    """The episode as folders: supports by class, queries by their number in the split."""
    table = pq.read_table(toy_data / "novel.parquet").to_pylist()
    by_hash = {hashlib.sha256(row["image"]["bytes"]).hexdigest(): row["image"]["bytes"] for row in table}
    for c, images in zip(episode.classes, episode.support, strict=True):
        folder = root / "support" / subject.split.classes[c]
        folder.mkdir(parents=True)
        for i in images:
            (folder / f"{i}.png").write_bytes(by_hash[subject.split.sha256[i]])
    (root / "query").mkdir()
    for i in episode.query.reshape(-1):
        (root / "query" / f"{i}.png").write_bytes(by_hash[subject.split.sha256[i]])
    return root / "support", root / "query"


@pytest.mark.parametrize("shots", [1, 3])
def test_the_command_gives_the_classes_that_an_evaluation_gives(
    shots: int, trained_run, subject, toy_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, descriptors = trained_run
    episode, expected = evaluated(subject, shots, 0)
    support, query = write_pictures(toy_data, subject, episode, tmp_path)
    command = ["predict", "--encoder", f"run:{folder}", "--support", str(support), "--query", str(query)]
    assert syntrans([*command, "--inductive"]) == 0
    out, err = capsys.readouterr()
    assert f"text: {descriptors}" in err
    named = {int(row["path"].rpartition("/")[2][:-4]): row["class"] for row in csv.DictReader(io.StringIO(out))}
    names = [subject.split.classes[c] for c in expected]
    assert [named[i] for i in episode.query.reshape(-1)] == names


@pytest.mark.parametrize("shots", [1, 3])
def test_every_episode_has_the_classes_of_the_evaluation(shots: int, subject, artifacts: Path) -> None:
    for number in range(5):
        episode, expected = evaluated(subject, shots, number)
        answers = predictor_of(subject, episode).predict(subject.features.raw.numpy()[episode.query.reshape(-1)])
        assert (episode.classes[answers.labels] == expected).all()


def test_the_estimator_takes_a_run_its_descriptors_and_others(
    trained_run, subject, toy_data: Path, tmp_path: Path
) -> None:
    episode, expected = evaluated(subject, 3, 0)
    support, query = write_pictures(toy_data, subject, episode, tmp_path)
    files = sorted(support.glob("*/*.png"))
    model = FewShotClassifier(f"run:{trained_run[0]}", inductive=True).fit(files, [file.parent.name for file in files])
    queries = [query / f"{i}.png" for i in episode.query.reshape(-1)]
    assert model.predict(queries).tolist() == [subject.split.classes[c] for c in expected]
    told = model.explain(queries[:1])
    model.fit(files, [file.parent.name for file in files], {name: ["it is odd"] for name in model.classes_})
    assert {text for text, _ in (*told[0].speaks_for, *told[0].speaks_against)} != {"it is odd"}
    assert model._predictor.texts.descriptors == (("it is odd",),) * 5
    again = FewShotClassifier.load(model.save(tmp_path / "model"))
    assert np.allclose(again.predict_proba(queries), model.predict_proba(queries), atol=1e-5)


def test_pictures_that_are_named_together_count_as_pictures_of_their_classes(subject, artifacts: Path) -> None:
    episode, _ = evaluated(subject, 1, 0)
    queries = subject.features.raw.numpy()[episode.query.reshape(-1)]
    alone, together = (predictor_of(subject, episode, inductive=one).predict(queries) for one in (True, False))
    assert (alone.directions.worth == 0).all()
    assert 0 < together.directions.worth.max() <= 1.5
    one, other = (answer.directions.scores(answer.placed) for answer in (alone, together))
    assert not np.allclose(one, other, rtol=1e-3)


def test_pictures_that_are_named_together_leave_the_text_less_to_say(subject, artifacts: Path) -> None:
    episode, _ = evaluated(subject, 1, 0)
    queries = subject.features.raw.numpy()[episode.query.reshape(-1)]
    directions = predictor_of(subject, episode, inductive=False).predict(queries).directions
    means, count = directions._means, 1 + float(directions.worth.mean())
    weight, bias = directions.bridge.classifier(means, directions.text, 1, judged=directions.judged, pictures=count)
    other, _ = directions.bridge.classifier(means, directions.text, 1, judged=directions.judged)
    assert np.allclose(directions.scores(directions.place(weight)), weight @ weight.T + bias, rtol=1e-4)
    assert not np.allclose(weight, other, rtol=1e-3)


def test_a_left_out_support_is_scored_by_the_class_that_the_others_make(subject, artifacts: Path) -> None:
    episode, _ = evaluated(subject, 3, 0)
    whole = predictor_of(subject, episode)
    directions = whole.predict(subject.features.raw.numpy()[:1]).directions
    scores = directions.left_out_scores(whole.supports, whole.labels)
    means = np.stack([whole.supports[whole.labels == c].mean(0) for c in range(5)])
    means[0] = whole.supports[1:3].mean(0)
    weight, bias = directions.bridge.classifier(means, directions.text, 3, judged=directions.judged)
    assert scores[0, 0] == pytest.approx(float(whole.supports[0] @ weight[0] + bias[0]), rel=1e-3, abs=1e-4)


def test_reasons_say_what_text_did_and_which_descriptors_spoke(subject, artifacts: Path) -> None:
    episode, _ = evaluated(subject, 1, 0)
    queries = subject.features.raw.numpy()[episode.query.reshape(-1)]
    with_text, without = (predictor_of(subject, episode, text=text) for text in (True, False))
    told, mute = (explain(each, each.predict(queries)) for each in (with_text, without))
    assert any(why.speaks_for or why.speaks_against for why in told)
    assert all(0 <= why.text_share <= 1 for why in told)
    assert {why.text_share for why in mute} == {0.0}
    assert all(abs(cosine) <= 1.001 for why in told for _, cosine in why.nearest)


def test_a_class_without_a_picture_has_its_text_in_their_place(subject, artifacts: Path) -> None:
    episode, _ = evaluated(subject, 1, 0)
    names = tuple(subject.split.classes[c] for c in episode.classes)
    trained, labels = RunKnowledge(subject.run), np.arange(4)
    told = trained.texts(None, names, labels)
    features = subject.features.raw.numpy()[episode.support[:4, 0]]
    predictor = fit(features, labels, names, trained.space(told, labels), told, Settings())
    answers = predictor.predict(subject.features.raw.numpy()[episode.query.reshape(-1)])
    assert answers.probabilities.shape == (20, 5)
    assert np.isfinite(answers.probabilities).all()


@pytest.mark.parametrize(
    ("encoder", "code", "message"),
    [("run:{nothing}", 3, "holds no encoder.safetensors"), ("run:", 2, "run:<folder>")],
)
def test_what_is_no_finished_training_is_one_line(
    encoder: str, code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s" / "a").mkdir(parents=True)
    (tmp_path / "s" / "b").mkdir()
    (tmp_path / "q.png").write_bytes(b"")
    command = ["predict", "--support", str(tmp_path / "s"), "--query", str(tmp_path / "q.png")]
    assert syntrans([*command, "--encoder", encoder.format(nothing=tmp_path)]) == code
    err = capsys.readouterr().err.splitlines()
    assert message in err[-1]


def test_classes_that_the_training_did_not_read_of_are_told_by_the_newest_file_that_has_all_of_them(
    trained_run, artifacts: Path, descriptor_row: Callable[..., DescriptorRow]
) -> None:
    meta = FileMetadata(run_id="toy", class_list_sha256="0" * 64, prompt_sha256={}, images_seen=[])
    for age, (name, classes) in enumerate([("part", ["wren"]), ("whole", ["wren", "robin"])]):
        path = artifacts / "import" / name / "descriptors.parquet"
        path.parent.mkdir(parents=True)
        write_descriptors(path, [descriptor_row(one, f"it is {one}") for one in classes], meta)
        os.utime(path, (1e9 - age, 1e9 - age))
    knowledge = RunKnowledge(read_run(trained_run[0]))
    assert knowledge.descriptors(None, ["wren", "robin"]) == artifacts / "import" / "whole" / "descriptors.parquet"
    assert knowledge.descriptors(None, ["wren", "owl"]) is None
