"""A request that cannot be answered is a row of the ledger with its reason, and costs nothing but itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.classes.entries import ClassEntry
from syntrans.contract.reading import check_file, read_descriptors
from syntrans.contract.rows import DescriptorRow
from syntrans_mining.engines.base import Response
from syntrans_mining.run.output_files import MineResult
from syntrans_mining.steps.candidate import Author
from syntrans_mining.steps.failures import RAW_LIMIT, clean_text, failed_row, reason_of

Run = Callable[..., MineResult]
HERON = "recognise heron"


def rows_of(result: MineResult, class_id: str) -> list[DescriptorRow]:
    return [row for row in read_descriptors(result.descriptors)[0] if row.class_id == class_id]


@pytest.mark.parametrize(
    ("args", "reason", "n_asked"),
    [
        ({"faults": {HERON: "too_long"}}, "too_long", 1),
        ({"fail": [HERON]}, "engine_failed", 1),
        ({"faults": {HERON: "refuse"}}, "refused", 3),
        ({"faults": {HERON: "empty"}}, "no_answer", 3),
        ({"faults": {HERON: "garbage"}}, "no_answer", 3),
        ({"truncate": [HERON], "truncate_times": 99}, "cut_off", 3),
    ],
)
def test_each_failing_request_is_one_row_with_its_reason_and_the_others_finish(
    args: dict, reason: str, n_asked: int, run: Run, configure: Callable, tmp_path: Path
) -> None:
    whole = run(configure(), tmp_path / "whole")
    result = run(configure(args), tmp_path / "failing")
    check_file(result.descriptors)
    failed = rows_of(result, "heron")
    assert [(row.kept, row.stage, row.reason) for row in failed] == [(False, "propose", reason)] * 6
    assert len({row.descriptor_id for row in failed}) == 6
    assert {author.model for row in failed for author in row.authors} == {"ann", "bob", "cleo"}
    assert result.run["rejected"][reason] == 6
    assert result.run["stages"]["propose"]["models"]["ann"]["asked"] == 3 * 2 + 2 * n_asked
    for other in ("ibis", "kestrel", "linnet"):
        assert rows_of(result, other) == rows_of(whole, other)


def test_an_item_that_is_no_statement_is_a_row_of_its_own_beside_the_good_ones(
    run: Run, configure: Callable, tmp_path: Path
) -> None:
    whole = run(configure(), tmp_path / "whole")
    result = run(configure({"faults": {HERON: "odd_items"}}), tmp_path / "odd")
    check_file(result.descriptors)
    odd = [row for row in rows_of(result, "heron") if row.stage == "propose"]
    assert [(row.kept, row.reason) for row in odd] == [(False, "malformed")] * 12  # two in each of six answers
    assert len({row.descriptor_id for row in odd}) == 12
    assert {author.raw for row in odd for author in row.authors} == {"7", '{"facet": "colour"}'}
    assert result.run["rejected"]["malformed"] - whole.run["rejected"].get("malformed", 0) == 12
    assert [row for row in rows_of(result, "heron") if row.stage != "propose"] == rows_of(whole, "heron")


def test_what_came_instead_of_an_answer_is_kept_and_harmless(run: Run, configure: Callable) -> None:
    result = run(configure({"faults": {HERON: "garbage"}}))
    assert {author.raw for row in rows_of(result, "heron") for author in row.authors} == {'{"descriptors": [{{]'}


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (Response("id", error="the prompt has 9000 tokens", reason="too_long"), "too_long"),
        (Response("id", error="ValueError"), "engine_failed"),
        (Response("id", "x", "content_filter"), "refused"),
        (Response("id", "I’m sorry, but no."), "refused"),
        (Response("id", "I'm sorry, but no."), "refused"),
        (Response("id", "As an AI model I have not seen it."), "refused"),
        (Response("id", "I cannot help with that."), "refused"),
        (Response("id", '{"descriptors": [{"te', "length"), "cut_off"),
        (Response("id", "icy wings"), "no_answer"),
        (Response("id", ""), "no_answer"),
    ],
)
def test_reasons_are_those_of_the_contract(response: Response, reason: str) -> None:
    row = failed_row("propose", ClassEntry("heron", "heron"), Author("ann", "1", "p", 0, 0, ""), response)
    assert reason_of(response) == row.row().reason == reason


@given(st.text())
def test_clean_text_is_one_line_without_unseen_characters(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned.isprintable()
    assert cleaned == cleaned.strip()
    assert len(cleaned) <= RAW_LIMIT
    assert clean_text(cleaned) == cleaned
