"""What a candidate writes into its row."""

from __future__ import annotations

from dataclasses import fields

import pytest
from candidates import candidate

from syntrans.contract import rows
from syntrans_mining.steps import candidate as records
from syntrans_mining.steps.candidate import Clip, Grounding, Vote, from_row


def test_votes_are_kept_with_their_judge() -> None:
    row = candidate("grey wings")
    row.votes.append(Vote(model="bob", revision="1", p_yes=0.5))
    row.drop("crosscheck", "no_agreement")
    assert row.row().votes[0].model == "bob"


def test_a_row_says_all_that_a_candidate_knows() -> None:
    one = candidate("grey wings")
    one.votes.append(Vote(model="bob", revision="1", p_yes=0.5, p_calibrated=0.25))
    one.grounding = Grounding("see", "2", 0.5, 0.25, "sparrow", ["a1"])
    one.clip = Clip("clip", 0.5, 0.25, "sparrow", 7, truncated=True)
    row = one.row()
    assert (row.votes[0].p_calibrated, row.clip and row.clip.tokens) == (0.25, 7)
    assert row.grounding is not None
    assert row.grounding.images == ["a1"]
    assert from_row(row).row() == row


@pytest.mark.parametrize("name", ["Author", "Vote", "Grounding", "Clip"])
def test_a_record_has_the_fields_of_its_row(name: str) -> None:
    assert [field.name for field in fields(getattr(records, name))] == [*getattr(rows, name).model_fields]
