"""A whole run on fake engines: what it writes, and what it records."""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syntrans.classes.entries import ClassEntry
from syntrans.contract.reading import check_file, read_descriptors, read_semantics
from syntrans.contract.rows import STAGES
from syntrans.descriptors.run_facts import read_report
from syntrans.errors import EnvironmentProblem, ModelLoadError
from syntrans.progress import Silent
from syntrans.runs.lock import lock
from syntrans_mining.run import mine
from syntrans_mining.run.output_files import MineResult, write_result
from syntrans_mining.run.report import step_table

Run = Callable[..., MineResult]


def test_every_candidate_is_in_the_ledger_with_its_reason(run: Run, configure: Callable) -> None:
    result = run(configure(crosscheck={"threshold": 0.5}, filter={"margin": 0.0, "budget": 3}))
    check_file(result.descriptors)
    rows, meta = read_descriptors(result.descriptors)
    assert result.run["rows"] == len(rows)
    assert result.run["rejected"] == Counter(row.reason for row in rows if not row.kept)
    assert {"no_agreement", "not_seen", "not_distinctive"} <= set(result.run["rejected"])
    assert {row.stage for row in rows if not row.kept} <= set(STAGES)
    assert set(meta.prompt_sha256) == {"propose.v1", "crosscheck.v1", "ground.v1"}
    assert set(meta.model_revisions) == {"ann", "bob", "cleo", "eye", "clip"}
    assert len(meta.images_seen) == 24


def test_scores_are_kept_for_every_row_that_reached_a_step(run: Run, configure: Callable) -> None:
    rows, _ = read_descriptors(run(configure()).descriptors)
    position = {name: place for place, name in enumerate(STAGES)}
    for row in rows:
        reached = position[row.stage] if row.stage else len(STAGES)
        assert (row.agreement is not None) == (reached >= position["crosscheck"])
        assert (row.grounding is not None) == (reached >= position["ground"])
        assert (row.clip is not None) == (reached >= position["filter"])
        assert (row.weight is not None) == row.kept == (row.rank is not None)


def test_no_other_run_takes_the_folder_before_the_last_file_is_written(
    run: Run, configure: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = write_result

    def written_by_one(out: Path, *args: Any, **kwargs: Any) -> MineResult:
        with pytest.raises(EnvironmentProblem, match="in use by another run"), lock(out):
            pass
        return real(out, *args, **kwargs)

    monkeypatch.setattr(mine, "write_result", written_by_one)
    assert run(configure()).descriptors.is_file()


def test_nobody_votes_on_their_own_statement(run: Run, configure: Callable) -> None:
    rows, _ = read_descriptors(run(configure()).descriptors)
    judged = [row for row in rows if row.agreement is not None]
    for row in judged:
        authors, voters = {a.model for a in row.authors}, {v.model for v in row.votes}
        assert authors & voters == set()
        assert authors | voters == {"ann", "bob", "cleo"}
    assert any(row.votes for row in judged)


def test_weights_of_a_class_sum_to_one_and_follow_the_rank(run: Run, configure: Callable) -> None:
    rows, _ = read_descriptors(run(configure()).descriptors)
    for class_id in {row.class_id for row in rows}:
        kept = sorted((r for r in rows if r.kept and r.class_id == class_id), key=lambda r: r.rank)
        assert [row.rank for row in kept] == list(range(1, len(kept) + 1))
        assert sum(row.weight for row in kept) == pytest.approx(1, abs=1e-5)
        assert [row.weight for row in kept] == sorted((row.weight for row in kept), reverse=True)


def test_semantics_hold_one_unit_vector_per_class(run: Run, configure: Callable, entries: list[ClassEntry]) -> None:
    rows, _ = read_semantics(run(configure()).semantics)
    assert [row.class_id for row in rows] == [entry.id for entry in entries]
    for row in rows:
        assert sum(x * x for x in row.embedding) == pytest.approx(1, abs=1e-5)
        assert row.class_name in row.summary


def test_without_images_the_run_says_what_it_skipped(run: Run, configure: Callable) -> None:
    result = run(configure(), images=None)
    rows, meta = read_descriptors(result.descriptors)
    assert result.run["skipped"].keys() == {"ground", "filter"} == meta.notes["skipped"].keys()
    assert meta.images_seen == []
    assert all(row.grounding is None and row.clip is None for row in rows)
    assert any(row.kept for row in rows)


def test_one_llm_has_nobody_to_ask(run: Run, configure: Callable) -> None:
    result = run(configure(llms=[{"name": "ann", "path": "ann"}]))
    assert "crosscheck" in result.run["skipped"]


def test_a_run_without_vlm_skips_ground(run: Run, configure: Callable) -> None:
    assert run(configure(vlm=None)).run["skipped"] == {"ground": "the config names no vlm"}


def test_one_class_has_no_neighbour_and_still_finishes(
    run: Run, configure: Callable, entries: list[ClassEntry], images: dict
) -> None:
    rows, _ = read_descriptors(run(configure(), classes=entries[:1]).descriptors)
    grounded = [row.grounding for row in rows if row.grounding]
    assert grounded
    assert all(g.contrast_class is None and g.p_yes_contrast is None for g in grounded)


def test_failing_requests_cost_only_themselves(run: Run, configure: Callable) -> None:
    result = run(configure({"fail": ["recognise heron"]}))
    assert {failure["stage"] for failure in result.run["failures"]} == {"propose"}
    rows, _ = read_descriptors(result.descriptors)
    assert {row.class_id for row in rows if row.stage != "propose"} == {"ibis", "kestrel", "linnet"}
    semantics, _ = read_semantics(result.semantics)
    assert {row.class_id: row.n_kept for row in semantics}["heron"] == 0


def test_truncated_answers_are_drawn_again_with_another_seed(run: Run, configure: Callable) -> None:
    result = run(configure({"truncate": ["recognise heron"], "truncate_times": 1}))
    n_asked = result.run["stages"]["propose"]["models"]["ann"]["asked"]
    assert n_asked == 4 * 2 + 1
    assert result.run["failures"] == []


def test_answers_that_stay_truncated_are_given_up_not_repaired(run: Run, configure: Callable) -> None:
    result = run(configure({"truncate": ["recognise heron"], "truncate_times": 99}))
    assert result.run["stages"]["propose"]["dropped"] == {"cut_off": 2 * 3}
    rows, _ = read_descriptors(result.descriptors)
    assert {row.reason for row in rows if row.class_id == "heron"} == {"cut_off"}


def test_nothing_proposed_at_all_is_an_error(run: Run, configure: Callable) -> None:
    with pytest.raises(ModelLoadError, match="no model proposed anything"):
        run(configure({"fail": ["recognise"]}))


def test_classes_of_which_nothing_is_kept_are_named(run: Run, configure: Callable) -> None:
    strict = run(configure(filter={"margin": 2.0})).run
    assert strict["nothing_kept"] == ["heron", "ibis", "kestrel", "linnet"]
    table = " ".join(step_table(strict).split())
    assert "warning: nothing was kept of 4 of 4 classes" in table
    assert "heron, ibis, kestrel, linnet;" in table
    ordinary = run(configure()).run
    assert ordinary["nothing_kept"] == []
    assert "nothing was kept" not in step_table(ordinary)


def test_a_folder_in_use_is_refused_with_the_pid(run: Run, configure: Callable, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with lock(tmp_path / "out"), pytest.raises(EnvironmentProblem, match=r"pid \d+"):
        run(configure())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_folder_that_takes_no_lock_ends_with_4(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(EnvironmentProblem, match=r"cannot write .*\.lock"), lock(tmp_path):
        pass


def test_a_file_in_the_place_of_a_folder_ends_with_4(run: Run, configure: Callable, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "logs").write_text("x")
    with pytest.raises(EnvironmentProblem, match="something of another kind"):
        run(configure(workers=1))


def test_requests_without_an_answer_are_said(run: Run, configure: Callable) -> None:
    table = step_table(run(configure({"fail": ["recognise heron"]})).run)
    assert "6 requests have no answer" in table
    assert "propose, ann: failed as told" in table


class Counted(Silent):
    """By stage: what was expected, and what came."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}

    def step(self, name: str) -> None:
        self.now = self.counts.setdefault(name, [0, 0])

    def expect(self, n: int) -> None:
        self.now[0] += n

    def advance(self, n: int) -> None:
        self.now[1] += n


def test_progress_counts_every_answer_and_every_text_that_is_embedded(run: Run, configure: Callable) -> None:
    progress = Counted()
    run(configure(vlm=None), images=None, progress=progress)
    assert progress.counts["propose"] == [24, 24]
    assert all(expected == came for expected, came in progress.counts.values())
    assert progress.counts["merge"][1] > 0  # texts that CLIP embedded


def test_run_json_holds_what_the_table_shows(run: Run, configure: Callable) -> None:
    result = run(configure())
    values = read_report(result.run_json)
    assert values == result.run
    assert list(values["stages"]) == ["propose", "merge", "crosscheck", "ground", "filter", "compose"]
    table = step_table(values)
    for stage in values["stages"]:
        assert stage in table


def test_what_no_judge_answered_about_is_not_kept(run: Run, configure: Callable) -> None:
    rows, _ = read_descriptors(run(configure({"fail": ["Would it show"]})).descriptors)
    unjudged = [row for row in rows if row.agreement is None and row.reason != "duplicate_of"]
    assert unjudged
    assert {row.reason for row in unjudged} == {"no_answer"}
    assert not any(row.kept and len({author.model for author in row.authors}) < 3 for row in rows)


def test_what_the_vision_model_gave_no_answer_about_is_not_kept(run: Run, configure: Callable) -> None:
    vlm = {"name": "eye", "path": "eye", "args": {"fail": ["of this picture"]}}
    rows, _ = read_descriptors(run(configure(vlm=vlm)).descriptors)
    assert not any(row.kept for row in rows)
    assert ("ground", "no_answer") in {(row.stage, row.reason) for row in rows}


def test_a_limited_run_keeps_questions_with_their_answers_for_a_look_at_them(
    run: Run, configure: Callable, tmp_path: Path
) -> None:
    run(configure(), tmp_path / "few", limit=1)
    lines = [json.loads(line) for line in (tmp_path / "few" / "prompts.jsonl").read_text().splitlines()]
    assert {line["stage"] for line in lines} == {"propose", "crosscheck", "ground"}
    named = [line for line in lines if line["stage"] != "ground"]  # a picture is asked about without its class's name
    assert all("heron" in "".join(message["text"] for message in line["messages"]) for line in named)
    assert all(line["answer"] or line["p_yes"] is not None for line in lines)
    assert any(message["picture"] for line in lines for message in line["messages"] if line["stage"] == "ground")
    run(configure(), tmp_path / "all")
    assert not (tmp_path / "all" / "prompts.jsonl").exists()
