"""What happens to a training's config before anything is trained: division by chance, paths, seeds."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.contract.rows import DescriptorRow, FileMetadata
from syntrans.contract.writing import write_descriptors
from syntrans.errors import InputError, ModelLoadError, UsageError
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.data.auto_split import LEAST, divide_classes
from syntrans_training.data.open_splits import NotDivided, open_source, undivided
from syntrans_training.pipeline.preparation import absolute, prepare


def sizes(n: int, word: str) -> list[int]:
    split = divide_classes([f"c{i:03}" for i in range(n)], word, seed=0)
    return [len(split.parts[part]) for part in ("base", "val", "novel")]


@pytest.mark.parametrize(
    ("n", "expected"),
    [(8, [4, 2, 2]), (12, [6, 3, 3]), (20, [10, 5, 5]), (30, [18, 6, 6]), (100, [60, 20, 20])],
)
def test_auto_gives_val_and_novel_a_fifth_and_at_least_what_five_ways_need(n: int, expected) -> None:
    assert sizes(n, "auto") == expected


@pytest.mark.parametrize(("n", "expected"), [(10, [6, 2, 2]), (12, [7, 3, 2]), (101, [61, 20, 20])])
def test_shares_give_the_nearest_whole_numbers(n: int, expected) -> None:
    assert sizes(n, "0.6/0.2/0.2") == expected


@given(n=st.integers(8, 200), seed=st.integers(0, 5), word=st.sampled_from(["auto", "0.5/0.25/0.25"]))
def test_every_class_is_in_one_part_whatever_the_order_they_come_in(n, seed, word) -> None:
    keys = [f"c{i}" for i in range(n)]
    split = divide_classes(keys, word, seed=seed)
    assert sorted(c for part in split.parts.values() for c in part) == sorted(keys)
    assert split == divide_classes(keys[::-1], word, seed=seed)
    assert all(len(split.parts[part]) >= least for part, least in LEAST.items())


def test_another_seed_divides_otherwise() -> None:
    keys = [f"c{i}" for i in range(20)]
    assert divide_classes(keys, "auto", seed=0).parts != divide_classes(keys, "auto", seed=1).parts


@pytest.mark.parametrize("word", ["0.5/0.5", "0.9/0.2/0.2", "1/0/0", "1../2./3"])
def test_shares_that_do_not_make_one_are_refused_with_the_form(word: str) -> None:
    with pytest.raises(UsageError, match=r"such as 0\.6/0\.2/0\.2"):
        divide_classes([str(i) for i in range(10)], word, seed=0)


def test_seven_classes_are_too_few() -> None:
    with pytest.raises(InputError, match="7 classes are too few for a training: base needs 4, val and novel 2 each"):
        divide_classes([str(i) for i in range(7)], "auto", seed=0)


def test_data_that_is_divided_keeps_its_parts_and_a_pool_is_divided(toy_data: Path, picture_tree: Path) -> None:
    assert undivided(str(toy_data)) is None
    assert {name: len(part.names) for name, part in open_source(str(toy_data), split_file="auto").parts.items()} == {
        "base": 8,
        "val": 5,
        "novel": 5,
    }
    with pytest.raises(NotDivided, match="--split auto"):
        open_source(str(picture_tree))
    assert undivided(str(picture_tree)).keys == ["goldfinch", "house_finch"]


def test_train_and_test_pictures_of_the_same_classes_divide_nothing(tmp_path: Path, png: Callable[..., bytes]) -> None:
    for part in ("train", "test"):
        for name in "abcdefgh":
            (tmp_path / part / name).mkdir(parents=True)
            (tmp_path / part / name / "0.png").write_bytes(png(ord(name)))
    parts = open_source(str(tmp_path), split_file="auto").parts
    assert {name: len(part.names) for name, part in parts.items()} == {"base": 4, "val": 2, "novel": 2}


def test_relative_paths_are_absolute_once_a_run_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = {"data": {"path": "photos", "split_file": "splits/mine.json"}}
    data = absolute(TrainConfig.model_validate(values)).data
    assert (data.path, data.split_file) == (str(tmp_path / "photos"), str(tmp_path / "splits" / "mine.json"))
    for path in ("world", "world-fine/shape", "hf://org/name"):
        assert absolute(TrainConfig.model_validate({"data": {"path": path}})).data.path == path
    for word in ("auto", "0.6/0.2/0.2", "caltech101-animals"):
        assert absolute(TrainConfig.model_validate({"data": {"split_file": word}})).data.split_file == word


def test_the_division_is_kept_in_the_runs_folder(tmp_path: Path, toy_data: Path) -> None:
    values = {"data": {"path": str(toy_data), "split_file": "0.5/0.25/0.25"}, "episodes": {"queries": 5}}
    prepared = prepare(TrainConfig.model_validate(values), None)
    kept = prepared.kept_in(tmp_path)
    assert kept.data.split_file == str(tmp_path / "split.json")
    parts = json.loads(Path(kept.data.split_file).read_text())
    assert [len(parts[name]) for name in ("base", "val", "novel")] == [9, 5, 4]
    assert kept.episodes.ways == 4


def test_one_seed_reaches_every_part_and_that_of_0_changes_nothing() -> None:
    def seeds(config: TrainConfig) -> tuple[int, ...]:
        return config.seed, config.ridge.seed, config.vsbird.seed, config.baselines.seed, config.episodes.seed

    assert seeds(TrainConfig()) == (0, 1, 0, 0, 0)
    assert seeds(TrainConfig(seed=2)) == (2, 3, 2000, 2, 2)
    assert seeds(TrainConfig.model_validate({"seed": 2, "baselines": {"seed": 9, "steps": 7}})) == (2, 3, 2000, 9, 2)
    again = TrainConfig.model_validate(TrainConfig(seed=2).model_dump(mode="json"))
    assert again == TrainConfig(seed=2)
    assert EvaluateConfig().episodes.seed == 0  # the frozen tasks are the same for every training


def test_a_dry_run_on_the_world_refuses_a_file_without_its_classes_and_draws_nothing(
    tmp_path: Path, descriptor_row: Callable[..., DescriptorRow], artifacts: Path
) -> None:
    meta = FileMetadata(run_id="r", class_list_sha256="0" * 64)
    file = write_descriptors(tmp_path / "descriptors.parquet", [descriptor_row("wren", "it is brown")], meta)
    with pytest.raises(InputError, match="has no descriptors for 80 of 80 classes"):
        prepare(TrainConfig(), file, dry=True)
    assert not artifacts.exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"text": {"encoder": "nowhere/at/all"}},
        {"distill": {"teacher": "nowhere/at/all"}},
        {"encoder": {"backbone": "open_clip:nowhere/at/all"}},
    ],
)
def test_a_dry_run_refuses_a_model_that_is_not_there(settings) -> None:
    with pytest.raises(ModelLoadError, match="'nowhere/at/all' is not there"):
        prepare(TrainConfig.model_validate(settings), None, dry=True)
