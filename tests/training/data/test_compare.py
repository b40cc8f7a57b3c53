"""A division of classes is known by its classes, whatever their spelling."""

from collections.abc import Mapping

from syntrans.images.folders import FolderPool
from syntrans_training.data.compare import difference, nearest, same_as
from syntrans_training.data.datasets import DATASETS
from syntrans_training.data.pool import Part

MINI = {part: dict(keys) for part, keys in DATASETS["mini"].split.parts.items()}


def parts(classes: Mapping[str, Mapping[str, str]]) -> dict[str, Part]:
    return {part: Part(FolderPool({}), names) for part, names in classes.items()}


def test_a_published_split_equals_itself() -> None:
    same = difference("mini", parts(MINI))
    assert same.equal
    assert same.shared == sum(map(len, MINI.values()))


def test_classes_are_met_by_their_names_too() -> None:
    by_name = {part: {name: name for name in keys.values()} for part, keys in MINI.items()}
    assert difference("mini", parts(by_name)).equal
    assert same_as({part: list(keys) for part, keys in by_name.items()}) == "mini"


def test_a_class_in_another_part_is_missing_there_and_extra_here() -> None:
    moved = {part: dict(keys) for part, keys in MINI.items()}
    key = next(iter(moved["base"]))
    moved["val"][key] = moved["base"].pop(key)
    told = difference("mini", parts(moved))
    assert (told.missing["base"], told.extra["val"]) == ([key], [key])
    assert not told.equal
    assert same_as({part: list(keys) for part, keys in moved.items()}) == ""


def test_a_part_that_is_not_there_is_missing_whole() -> None:
    told = difference("mini", parts({part: keys for part, keys in MINI.items() if part != "novel"}))
    assert told.missing["novel"] == sorted(MINI["novel"])
    assert not told.missing["base"]


def test_the_nearest_split_is_that_of_most_classes() -> None:
    few = {part: dict(list(keys.items())[1:]) for part, keys in MINI.items()}
    best = nearest(parts(few))
    assert best is not None
    assert best.name == "mini"


def test_ones_own_classes_are_near_no_published_split() -> None:
    assert nearest(parts({"base": {"my cat": "my cat", "my dog": "my dog"}})) is None
    assert nearest({}) is None
