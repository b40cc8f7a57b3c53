"""What a candidate writes into its row."""

from __future__ import annotations

from candidates import candidate

from syntrans_mining.steps.candidate import Vote


def test_votes_are_kept_with_their_judge() -> None:
    row = candidate("grey wings")
    row.votes.append(Vote(model="bob", revision="1", p_yes=0.5))
    row.drop("crosscheck", "no_agreement")
    assert row.row().votes[0].model == "bob"
