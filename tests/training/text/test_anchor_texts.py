"""Which texts of base classes are anchors, and which are left out because they name another class."""

from collections.abc import Callable

import pytest

from syntrans.contract.rows import DescriptorRow
from syntrans_training.text.anchor_texts import anchor_texts
from syntrans_training.text.class_vectors import Knowledge

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
    found = anchor_texts(known, ["robin", "finch"], ["wolf"], **TEMPLATES)
    assert found.texts == ("a photo of a robin", "it has a red breast", "a photo of a finch")
    assert found.left_out == 0


@pytest.mark.parametrize(
    "text", ["teeth like a wolf", "Wolves' teeth", "a WOLF-like head", "colours of the house finch", "house-finch red"]
)
def test_a_text_that_names_a_class_which_is_not_base_is_left_out_and_counted(
    descriptor_row: Callable[..., DescriptorRow], text: str
) -> None:
    known = knowledge(descriptor_row, ("robin", text, True), ("robin", "a wolfish look, finches, houses", True))
    found = anchor_texts(known, ["robin"], ["wolf", "House_Finch"], **TEMPLATES)
    assert found.texts == ("a photo of a robin", "it has a wolfish look, finches, houses")
    assert found.left_out == 1


def test_a_base_class_whose_name_holds_a_barred_one_is_no_anchor(descriptor_row: Callable[..., DescriptorRow]) -> None:
    known = knowledge(descriptor_row, ("snow leopard", "spots", True), ("leopard", "rosettes", True))
    assert anchor_texts(known, ["snow leopard"], ["leopard, Panthera pardus"], **TEMPLATES).texts == ("it has spots",)
    assert anchor_texts(known, ["leopard"], ["snow leopard"], **TEMPLATES).left_out == 0
