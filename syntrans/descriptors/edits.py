"""A person's corrections of a descriptor file: a veto, a restored row, a new descriptor. Nothing is lost by them.

What a row was before stands in the file's notes under `EDITS`, one record a correction, in their order; `undo` takes
them back. What a class's weights summed to stays as it was, so that classes count as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from syntrans.config import StrictModel, first_problem
from syntrans.contract.rows import Author, DescriptorRow, Facet, descriptor_id
from syntrans.contract.scalars import PlainText
from syntrans.descriptors.summary import find_class
from syntrans.errors import InputError
from syntrans.files.input_files import read_json

EDITS = "edits"
"""Key of a file's notes: the records of all corrections."""
HUMAN = "human"
"""The author of what a person said."""
VETO = ("edit", "vetoed")
"""Stage and reason of a row that a person took out."""
Action = Literal["veto", "restore", "add"]
Record = dict[str, Any]


class Edit(StrictModel):
    """One correction. The row is named by its class (id or name) and text; ``why`` is for people."""

    action: Action
    class_: str = Field(alias="class", min_length=1)
    text: PlainText = Field(min_length=1)
    facet: Facet = "other"
    why: PlainText = ""


class EditsFile(StrictModel):
    """What the page of `syntrans report` saves. ``run_id``: of the run that was looked at, for people."""

    syntrans_edits: Literal[1]
    run_id: str = ""
    edits: list[Edit] = Field(min_length=1)


class _State(StrictModel):
    """What a row was before a correction."""

    kept: bool
    stage: str | None
    reason: str | None
    rank: int | None
    weight: float | None


class _Record(StrictModel):
    """A correction in a file's notes."""

    action: Action
    author: str
    at: str
    why: str
    class_id: str
    descriptor_id: str
    text: str
    facet: Facet
    joined: bool
    before: _State | None


_RECORDS = TypeAdapter(list[_Record])


def read_edits(path: Path) -> list[Edit]:
    """The corrections in a JSON file; InputError with the first that is none."""
    rule = "save it again from the page of `syntrans report`, or see docs/report.md"
    try:
        return EditsFile.model_validate(read_json(path, rule)).edits
    except ValidationError as error:
        raise InputError(f"{path}: {first_problem(error)}; {rule}") from error


def apply_edits(
    rows: Sequence[DescriptorRow], edits: Iterable[Edit], past: Sequence[Record] = (), *, at: str, where: Path
) -> tuple[list[DescriptorRow], list[Record]]:
    """The rows after all ``edits``, and a record of each; ``past`` are those of before, ``at`` the time.

    InputError naming ``where`` for a class or a row that is not there, a veto of a dropped row, and a restored or new
    one that is kept already.
    """
    by_id = {row.descriptor_id: row for row in rows}
    records: list[Record] = []
    ids: dict[str, str] = {}
    for edit in edits:
        if edit.class_ not in ids:
            ids[edit.class_] = find_class(where, rows, edit.class_)
        _refuse(edit, by_id.get(descriptor_id(ids[edit.class_], edit.text)), where)
        record = _apply(by_id, edit, ids[edit.class_], [*past, *records])
        records.append({**record, "at": at})
    return list(by_id.values()), records


def apply_again(rows: Sequence[DescriptorRow], records: Sequence[Record]) -> tuple[list[DescriptorRow], list[Record]]:
    """The corrections of these records on rows that were decided anew, and their records with what is before now.

    A restored row that is kept by now stays as it is; a vetoed one that was dropped anyway says that it is vetoed.
    """
    by_id = {row.descriptor_id: row for row in rows}
    done: list[Record] = []
    for record in records:
        keys = {key: record[key] for key in ("action", "text", "facet", "why")}
        edit = Edit.model_validate({"class": record["class_id"], **keys})
        done.append({**_apply(by_id, edit, record["class_id"], done), "at": record["at"]})
    return list(by_id.values()), done


def _apply(by_id: dict[str, DescriptorRow], edit: Edit, class_id: str, past: Sequence[Record]) -> Record:
    """Change ``by_id``, rows by id, by one correction; its record, without the time."""
    key = descriptor_id(class_id, edit.text)
    of_class = [row for row in by_id.values() if row.class_id == class_id and row.descriptor_id != key]
    before = by_id.get(key)
    row = before or _new(edit, class_id, of_class[0].class_name)
    after = row.model_copy(update={"authors": [*row.authors, _human(edit)]}) if edit.action == "add" else row
    if edit.action == "veto":
        gone = {"kept": False, "stage": VETO[0], "reason": VETO[1], "rank": None, "weight": None}
        after = after.model_copy(update=gone)
    elif before is None or not before.kept:
        after = _kept(after, of_class, _before_veto(key, past))
    by_id |= {row.descriptor_id: row for row in _ranked(of_class, after, before)}
    state = before.model_dump(include={*_State.model_fields}) if before else None
    said = {"action": edit.action, "author": HUMAN, "why": edit.why, "before": state}
    joined = edit.action == "add" and before is not None
    named = {"class_id": class_id, "descriptor_id": key, "text": after.text, "facet": after.facet}
    return {**said, **named, "joined": joined}


def undo(rows: Sequence[DescriptorRow], records: Sequence[Record]) -> list[DescriptorRow]:
    """The rows as they were before all ``records``, but for the ranks and weights of the rows beside them."""
    by_id = {row.descriptor_id: row for row in rows}
    for record in reversed(records):
        row = by_id.get(record["descriptor_id"])
        if row is None:
            continue
        if record["before"] is None:
            del by_id[row.descriptor_id]
            continue
        authors = [author for author in row.authors if author.model != HUMAN] if record["joined"] else row.authors
        by_id[row.descriptor_id] = row.model_copy(update={**record["before"], "authors": authors})
    return list(by_id.values())


def records_of(notes: Mapping[str, Any]) -> list[Record]:
    """The records in a file's notes; none where nobody has corrected it. InputError for one that is not ours."""
    records = notes.get(EDITS) or []
    try:
        _RECORDS.validate_python(records)
    except ValidationError as error:
        rule = "that `syntrans edit` did not write; mine or import it again"
        raise InputError(f"the notes of a descriptor file hold {EDITS} {rule} ({first_problem(error)})") from error
    return list(records)


def _refuse(edit: Edit, row: DescriptorRow | None, where: Path) -> None:
    named = f"{edit.class_!r}: {edit.text!r:.80}"
    if row is None and edit.action != "add":
        raise InputError(f"{where} has no row {named} to {edit.action}; `syntrans inspect` lists a class's rows")
    if row is not None and edit.action == "veto" and not row.kept:
        raise InputError(f"{where}: {named} is dropped already ({row.reason}); leave that veto out")
    if row is not None and edit.action != "veto" and row.kept:
        raise InputError(f"{where}: {named} is kept already; leave it out")


def _new(edit: Edit, class_id: str, class_name: str) -> DescriptorRow:
    return DescriptorRow(
        class_id=class_id,
        class_name=class_name,
        descriptor_id=descriptor_id(class_id, edit.text),
        text=edit.text,
        facet=edit.facet,
        authors=[],
        kept=True,
    )


def _human(edit: Edit) -> Author:
    return Author(model=HUMAN, revision="", prompt="edit", sample=0, seed=0, raw=edit.text)


def _kept(
    row: DescriptorRow, of_class: Sequence[DescriptorRow], before_veto: Mapping[str, Any] | None
) -> DescriptorRow:
    """The row as a kept one: last, with the mean weight of the others; after a veto where and as heavy as before."""
    weights = [one.weight for one in of_class if one.kept and one.weight is not None]
    weight, rank = (sum(weights) / len(weights) if weights else 1.0), len(of_class) + 1
    if before_veto and before_veto["rank"] and 0 < (before_veto["weight"] or 0) < sum(weights):
        # Without it the others' weights grew by sum / (sum - w); put back so, it has its own again.
        weight = before_veto["weight"] * sum(weights) / (sum(weights) - before_veto["weight"])
        rank = before_veto["rank"]
    return row.model_copy(update={"kept": True, "stage": None, "reason": None, "rank": rank, "weight": weight})


def _before_veto(key: str, records: Sequence[Record]) -> Mapping[str, Any] | None:
    """What a row was when a person took it out, if that was the last that happened to it."""
    last = next((record for record in reversed(records) if record["descriptor_id"] == key), None)
    return last["before"] if last and last["action"] == "veto" else None


def _ranked(
    of_class: Sequence[DescriptorRow], changed: DescriptorRow, before: DescriptorRow | None
) -> list[DescriptorRow]:
    """All rows of the class: ranks from 1 without gaps, and weights of the sum that they had."""
    kept = sorted((row for row in of_class if row.kept), key=lambda row: row.rank or len(of_class))
    total = sum(row.weight or 0.0 for row in [*kept, *([before] if before and before.kept else [])]) or 1.0
    if changed.kept:
        kept.insert((changed.rank or len(of_class) + 1) - 1, changed)
    scale = total / (sum(row.weight or 0.0 for row in kept) or 1.0)
    ranked = [
        row.model_copy(update={"rank": rank, "weight": None if row.weight is None else row.weight * scale})
        for rank, row in enumerate(kept, start=1)
    ]
    return [*(row for row in of_class if not row.kept), *ranked, *([] if changed.kept else [changed])]
