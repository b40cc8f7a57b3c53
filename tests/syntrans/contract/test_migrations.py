"""A file of an older schema is lifted to the present one, and nothing that it says is changed."""

from __future__ import annotations

import pyarrow as pa

from syntrans.contract.migrations import MIGRATIONS

VOTE = pa.struct({"model": pa.string(), "revision": pa.string(), "p_yes": pa.float32()})
VOTES = pa.list_(pa.field("element", VOTE))


def of_version_1(votes: list[list[dict[str, object]] | None]) -> pa.Table:
    return pa.table({"text": [f"text {i}" for i in range(len(votes))], "votes": pa.array(votes, VOTES)})


def vote(model: str, p_yes: float) -> dict[str, object]:
    return {"model": model, "revision": "r", "p_yes": p_yes}


def test_votes_gain_a_calibrated_probability_that_nobody_has_made() -> None:
    lifted = MIGRATIONS[1](of_version_1([[vote("b", 0.5), vote("c", 0.25)], [], [vote("d", 1.0)]]))
    calibrated = {"p_calibrated": None}
    assert lifted["votes"].to_pylist() == [
        [vote("b", 0.5) | calibrated, vote("c", 0.25) | calibrated],
        [],
        [vote("d", 1.0) | calibrated],
    ]


def test_new_columns_are_empty_and_old_ones_stay() -> None:
    table = of_version_1([[], [vote("b", 0.5)]])
    lifted = MIGRATIONS[1](table)
    assert lifted["text"].equals(table["text"])
    assert lifted["contrast_with"].null_count == lifted["duplicate_of"].null_count == 2
    assert lifted.column_names[:2] == table.column_names


def test_votes_of_a_part_of_a_file_are_those_of_its_rows() -> None:
    table = of_version_1([[vote("b", 0.5)], [vote("c", 0.25)], [vote("d", 1.0)]])
    assert [votes[0]["model"] for votes in MIGRATIONS[1](table.slice(1))["votes"].to_pylist()] == ["c", "d"]


def test_a_file_without_votes_of_ours_is_left_for_the_check_of_columns() -> None:
    semantics = pa.table({"class_id": ["a"]})
    foreign = pa.table({"votes": [1]})
    assert MIGRATIONS[1](semantics) is semantics
    assert MIGRATIONS[1](foreign) is foreign
