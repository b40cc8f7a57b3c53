"""What the authors of other statements think of one."""

from __future__ import annotations

from candidates import candidate
from hypothesis import given
from hypothesis import strategies as st

from syntrans_mining.steps import crosscheck


@given(st.integers(1, 5), st.lists(st.floats(0, 1), max_size=5))
def test_agreement_is_between_0_and_1_and_rises_with_every_vote(n_authors: int, votes: list[float]) -> None:
    value = crosscheck.agreement(n_authors, votes)
    assert 0 <= value <= 1
    assert crosscheck.agreement(n_authors, [*votes, 1.0]) >= value


def test_disagreed_statements_go() -> None:
    rows = [candidate("grey wings"), candidate("green wings")]
    rows[0].agreement, rows[1].agreement = 0.7, 0.3
    crosscheck.drop_disagreed(rows, threshold=0.5)
    assert [row.reason for row in rows] == [None, "no_agreement"]
