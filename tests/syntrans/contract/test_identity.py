"""A file holds one name for an id, and one id for a name unless something tells its meanings apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from syntrans.classes.entries import ClassEntry
from syntrans.contract.identity import definition_notes
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import DescriptorRow, FileMetadata, SemanticsRow, descriptor_id
from syntrans.contract.writing import write_descriptors, write_semantics
from syntrans.errors import InputError

META = FileMetadata(run_id="r", class_list_sha256="0" * 64)
BIRD, MACHINE = ClassEntry("crane-1", "crane", "a bird"), ClassEntry("crane-2", "crane", "a machine")


def row(class_id: str, class_name: str) -> DescriptorRow:
    known = {"class_id": class_id, "class_name": class_name, "descriptor_id": descriptor_id(class_id, "long legs")}
    return DescriptorRow(**known, text="long legs", facet="part", authors=[], kept=True)


def semantics(class_id: str, class_name: str) -> SemanticsRow:
    known = {"class_id": class_id, "class_name": class_name, "summary": "", "n_kept": 0, "embedding": [1.0]}
    return SemanticsRow(**known, encoder="e", encoder_revision="")


@pytest.mark.parametrize(("write", "make"), [(write_descriptors, row), (write_semantics, semantics)])
@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("bar", "Bär"), ("bar", "Bar")], "class id 'bar' has the names 'Bär' and 'Bar'"),
        ([("a", "crane"), ("b", "crane")], "'crane' is the name of the classes 'a' and 'b'"),
        ([("a", "Bär"), ("b", "Ba\N{COMBINING DIAERESIS}r")], "is the name of the classes 'a' and 'b'"),
    ],
)
def test_rows_that_mix_classes_are_refused_and_leave_no_file(write, make, pairs, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        write(tmp_path / "file.parquet", [make(*pair) for pair in pairs], META)
    assert not list(tmp_path.iterdir())


def test_wnids_settle_one_name_of_two_classes(tmp_path: Path) -> None:
    rows = [row("n02012849", "crane"), row("n03126707", "crane")]
    assert read_descriptors(write_descriptors(tmp_path / "a.parquet", rows, META))[0] == rows


def test_definitions_in_the_notes_settle_one_name_of_two_classes(tmp_path: Path) -> None:
    meta = META.model_copy(update={"notes": definition_notes([BIRD, MACHINE, ClassEntry("wolf", "wolf", "a dog")])})
    assert meta.notes == {"definitions": {"crane-1": "a bird", "crane-2": "a machine"}}
    rows = [row("crane-1", "crane"), row("crane-2", "crane")]
    assert read_descriptors(write_descriptors(tmp_path / "a.parquet", rows, meta))[0] == rows
