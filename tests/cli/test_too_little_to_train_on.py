"""Pictures that do not suffice for a training: said in one sentence, with the cure, before anything is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.cli.app import run
from tests.cli.photos import BIRDS, draw_photos


@pytest.mark.parametrize(
    ("names", "per_class", "settings", "words"),
    [
        (BIRDS[:7], 25, (), "7 classes are too few for a training"),
        (BIRDS, 12, (), "has 12 pictures; 5 shots (episodes.shots) and 15 queries (episodes.queries) need 20"),
        (BIRDS, 12, (), "--set episodes.queries=7, or add pictures"),
        (BIRDS, 25, ("episodes.ways=3",), "val has 2 classes, and 3-way tasks (episodes.ways) need 3; add classes"),
        (BIRDS, 25, ("data.split_file=1/2/3",), "three shares of base, val and novel that make 1"),
        (BIRDS, 25, ("data.split_file=none.json",), "is not there, or is no file"),
    ],
)
@pytest.mark.parametrize("dry", [True, False], ids=["dry run", "run"])
def test_too_little_to_train_on_is_one_sentence_before_anything_is_made(
    names: tuple[str, ...],
    per_class: int,
    settings: tuple[str, ...],
    words: str,
    dry: bool,
    tmp_path: Path,
    artifacts: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photos = draw_photos(tmp_path / "photos", names, per_class)
    chosen = [part for setting in settings for part in ("--set", setting)]
    assert run(["train", "--images", str(photos), *chosen, *(["--dry-run"] if dry else [])]) in (2, 3)
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert list((artifacts / "train").glob("*")) == []


def test_what_mining_looked_at_is_in_the_reason_and_the_key_in_the_cure(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = ["mine", "--classes", "birds.txt", "--images", "photos", "--set", "images.reserve=0"]
    assert run(mine) == 0
    assert run(["train", "--dry-run"]) == 3
    told = capsys.readouterr().err.splitlines()[-1]
    assert "has 25 pictures, 16 of which mining looked at (they are no queries)" in told
    assert "--set episodes.queries=4, or mine again with --set images.reserve=20" in told
    assert run(["data", "check", "photos"]) == 0
    left = capsys.readouterr().out
    assert "warning  left" in left
    assert "has left 9 pictures or more of every val and novel class as queries" in left


def test_the_check_says_what_mining_will_leave(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "check", "photos"]) == 0
    assert "note     left        mining (images.reserve) will leave 20 pictures or more" in capsys.readouterr().out


def test_one_picture_a_class_is_too_few_to_train_on_and_enough_to_predict_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = draw_photos(tmp_path / "photos", BIRDS, 1)
    assert run(["train", "--images", str(photos), "--dry-run"]) == 3
    assert "with fewer, `syntrans predict --support DIR --query DIR` names pictures" in capsys.readouterr().err


@pytest.fixture
def few_features(tmp_path: Path) -> Path:
    """Features of 8 base, 5 val and 5 novel classes, 25 each; one novel class has 8 (feat_few)."""
    rng = np.random.default_rng(0)
    for part, n in {"base": 8, "val": 5, "novel": 5}.items():
        labels = [f"{part} {c}" for c in range(n) for _ in range(8 if (part, c) == ("novel", 3) else 25)]
        values = pa.array(rng.normal(size=(len(labels), 8)).tolist(), pa.list_(pa.float32()))
        pq.write_table(pa.table({"class": labels, "feature": values}), tmp_path / f"{part}.features.parquet")
    return tmp_path


def test_a_novel_class_with_few_pictures_is_said_before_training(
    few_features: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "--images", str(few_features)]) == 3
    assert "novel: class novel 3 has 8 pictures; 5 shots" in capsys.readouterr().err
    assert list((artifacts / "train").glob("*")) == []


def test_features_that_are_not_finite_are_said_before_training(
    few_features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(few_features / "novel.features.parquet")
    values = table["feature"].to_pylist()
    values[3][0] = float("nan")
    broken = pa.table({"class": table["class"], "feature": pa.array(values, pa.list_(pa.float32()))})
    pq.write_table(broken, few_features / "novel.features.parquet")
    assert run(["train", "--images", str(few_features), "--dry-run"]) == 3
    assert "row 3 is not finite" in capsys.readouterr().err
