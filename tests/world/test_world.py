"""The embedded world: its classes, its pictures, its truth."""

import itertools
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from syntrans_world.export import export, export_cached
from syntrans_world.render import render, typical
from syntrans_world.spec import CLASSES, MIN_DISTANCE, PHRASES, SLOTS, SPLIT_SIZES, VALUES, distance
from syntrans_world.truth import judge, score, slot_of, truth_slots


def test_there_are_a_hundred_classes_in_the_published_split() -> None:
    counts = {split: sum(c.split == split for c in CLASSES) for split in SPLIT_SIZES}
    assert counts == {"base": 64, "val": 16, "novel": 20}


def test_any_two_classes_differ_in_at_least_three_slots() -> None:
    closest = min(distance(a.attributes, b.attributes) for a, b in itertools.combinations(CLASSES, 2))
    assert closest >= MIN_DISTANCE


def test_no_class_name_is_part_of_another() -> None:
    names = [c.name for c in CLASSES]
    assert not [(a, b) for a in names for b in names if a != b and a in b]


def test_every_phrase_speaks_of_one_slot_and_value() -> None:
    spoken = [text for values in PHRASES.values() for phrases in values.values() for text in phrases]
    assert len(spoken) == len(set(spoken)) == 62
    for slot, values in PHRASES.items():
        for value, phrases in values.items():
            assert [slot_of(text) for text in phrases] == [(slot, value)] * 2


@pytest.mark.parametrize("variant", ["{}", "{}.", " {} "])
def test_truth_is_judged_whatever_the_article_or_full_stop(variant: str) -> None:
    entry = CLASSES[0]
    text = PHRASES["shape"][entry.truth()["shape"]][0]
    assert judge(entry.id, variant.format(text))
    assert judge(entry.id, text.removeprefix("a "))


def test_generic_statements_and_chatter_count_as_wrong() -> None:
    assert not judge(CLASSES[0].id, "a distinct character")
    assert not judge(CLASSES[0].id, "as a language model")


def test_score_counts_rows_for_precision_and_slots_for_recall() -> None:
    entry = CLASSES[3]
    true = truth_slots(entry.id)
    both_ways = list(PHRASES["fill"][true["fill"]])
    rows = [(entry.id, text) for text in [*both_ways, "many variations"]]
    scored = score(rows, [entry.id])
    assert scored.rows == 3
    assert scored.precision == pytest.approx(2 / 3)
    assert scored.recall == pytest.approx(1 / len(SLOTS))


def test_a_picture_is_a_function_of_its_attributes_and_seed() -> None:
    first = render(CLASSES[0].attributes, np.random.default_rng(3))
    again = render(CLASSES[0].attributes, np.random.default_rng(3))
    other = render(CLASSES[0].attributes, np.random.default_rng(4))
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("slot", SLOTS)
def test_changing_any_attribute_changes_the_picture(slot: str) -> None:
    i = SLOTS.index(slot)
    pictures = []
    for value in range(len(VALUES[slot])):
        attributes = list(CLASSES[5].attributes)
        attributes[i] = value
        pictures.append(render(tuple(attributes), np.random.default_rng(0)).astype(int))
    for a, b in itertools.combinations(pictures, 2):
        assert np.abs(a - b).mean() > 1


def test_pictures_show_attributes_typically() -> None:
    rng = np.random.default_rng(0)
    shape = SLOTS.index("shape")
    shown = [typical(CLASSES[0].attributes, rng)[shape] == CLASSES[0].attributes[shape] for _ in range(4000)]
    assert np.mean(shown) == pytest.approx(1 - 0.35 + 0.35 / 8, abs=0.03)


def test_a_small_export_is_a_prefix_of_a_larger_one(tmp_path: Path) -> None:
    small, large = export(tmp_path / "a", per_class=1), export(tmp_path / "b", per_class=2)
    first = pq.read_table(small / "val.parquet").to_pylist()
    second = pq.read_table(large / "val.parquet").to_pylist()
    assert first == second[::2]
    assert len(first) == 16


def test_a_smaller_export_is_taken_from_a_larger_one_without_drawing_and_is_the_same_file(
    tmp_path: Path, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = export(tmp_path / "drawn", per_class=1)
    larger = export_cached(2)
    assert larger == artifacts / "cache" / "world" / "2"
    whole = (larger / "val.parquet").read_bytes()
    (larger / "val.parquet").write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    with pytest.raises(TypeError), monkeypatch.context() as patch:  # of a damaged part nothing is taken
        patch.setattr("syntrans_world.export.render", None)
        export_cached(1)
    (larger / "val.parquet").write_bytes(whole)
    monkeypatch.setattr("syntrans_world.export.render", None)
    for split in ("base", "val", "novel"):
        assert (export_cached(1) / f"{split}.parquet").read_bytes() == (drawn / f"{split}.parquet").read_bytes()


def test_a_part_that_is_damaged_is_written_anew(tmp_path: Path) -> None:
    file = export(tmp_path, per_class=1) / "val.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    assert export(tmp_path, per_class=1) == tmp_path
    assert file.read_bytes() == whole


def test_the_class_list_named_world_is_the_worlds() -> None:
    from syntrans.images.class_lists import read_classes

    assert [(e.id, e.name) for e in read_classes("world")] == [(c.id, c.name) for c in CLASSES]
