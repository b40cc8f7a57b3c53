"""Which texts of base classes are anchors, and which are left out because they name another class."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from syntrans.contract.rows import DescriptorRow
from syntrans_training.data import load_splits
from syntrans_training.data.load_splits import Origin
from syntrans_training.text.anchor_texts import anchor_texts, barred_names
from syntrans_training.text.class_vectors import Knowledge, read_knowledge

TEMPLATES = {"name_template": "a photo of a {name}", "descriptor_template": "it has {text}"}


def knowledge(descriptor_row, *said):
    rows: dict[str, list] = {}
    for name, text, kept in said:
        rows.setdefault(name, []).append(descriptor_row(name, text, kept=kept))
    return Knowledge(rows, {name: name for name in rows}, None)


def test_anchors_are_names_and_kept_descriptors_of_base_classes_each_once(
    descriptor_row: Callable[..., DescriptorRow],
) -> None:
    known = knowledge(
        descriptor_row,
        ("robin", "a red breast", True),
        ("robin", "a long tail", False),
        ("finch", "a red breast", True),
        ("wolf", "grey fur", True),
    )
    anchors = anchor_texts(known, ["robin", "finch"], ["wolf"], **TEMPLATES)
    assert anchors.texts == ("a photo of a robin", "it has a red breast", "a photo of a finch")
    assert anchors.left_out == 0


@pytest.mark.parametrize(
    "text", ["teeth like a wolf", "Wolves' teeth", "a WOLF-like head", "colours of the house finch", "house-finch red"]
)
def test_a_text_that_names_a_class_which_is_not_base_is_left_out_and_counted(
    descriptor_row: Callable[..., DescriptorRow], text: str
) -> None:
    known = knowledge(descriptor_row, ("robin", text, True), ("robin", "a wolfish look, finches, houses", True))
    anchors = anchor_texts(known, ["robin"], ["wolf", "House_Finch"], **TEMPLATES)
    assert anchors.texts == ("a photo of a robin", "it has a wolfish look, finches, houses")
    assert anchors.left_out == 1


def test_a_base_class_whose_name_holds_a_barred_one_is_no_anchor(descriptor_row: Callable[..., DescriptorRow]) -> None:
    known = knowledge(descriptor_row, ("snow leopard", "spots", True), ("leopard", "rosettes", True))
    assert anchor_texts(known, ["snow leopard"], ["leopard, Panthera pardus"], **TEMPLATES).texts == ("it has spots",)
    assert anchor_texts(known, ["leopard"], ["snow leopard"], **TEMPLATES).left_out == 0


@pytest.fixture
def base(toy_data: Path) -> tuple[str, ...]:
    """The base classes of the toy data."""
    return load_splits(str(toy_data), size=8, names=("base",))["base"].classes


def test_names_of_novel_classes_are_known_without_opening_a_picture(
    toy_data: Path, toy_classes: list[str], base: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syntrans.images.parquet.ImageRef", lambda *_, **__: pytest.fail("opened"))
    names = barred_names(Origin(str(toy_data)).open(), read_knowledge(None, base), (), None)
    assert names == set(toy_classes) - set(base)


def test_without_a_novel_split_every_other_class_of_the_file_is_barred(
    toy_data: Path,
    toy_classes: list[str],
    base: tuple[str, ...],
    tmp_path: Path,
    write_toy_descriptors: Callable[..., Path],
) -> None:
    for name in ("base", "val"):
        shutil.copyfile(toy_data / f"{name}.parquet", tmp_path / f"{name}.parquet")
    path = write_toy_descriptors()
    names = barred_names(Origin(str(tmp_path)).open(), read_knowledge(path, base), base, path)
    assert {name.replace("-", " ") for name in names} == set(toy_classes) - set(base)
