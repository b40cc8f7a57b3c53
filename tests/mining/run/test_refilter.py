"""Other thresholds on a finished run: the same decisions as a run with them, and nobody is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from syntrans.cli.app import run as command
from syntrans.contract.reading import check_file, read_descriptors, read_semantics
from syntrans.errors import InputError, UsageError
from syntrans_mining.engines.fake import FakeEncoder, FakeEngine
from syntrans_mining.run.output_files import MineResult
from syntrans_mining.run.refilter import refilter

Run = Callable[..., MineResult]
LOOSE = {"crosscheck": {"threshold": 0.3}, "ground": {"threshold": 0.2}, "filter": {"margin": -0.5, "budget": 50}}
STRICT = [
    "crosscheck.threshold=0.5",
    "ground.threshold=0.35",
    "ground.gap=-0.2",
    "filter.margin=-0.1",
    "filter.budget=3",
]


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, whoever asks a model anything fails."""

    def refuse(*_: object) -> None:
        raise AssertionError("a model was asked")

    def go() -> None:
        for engine, method in ((FakeEngine, "generate"), (FakeEncoder, "embed_texts"), (FakeEncoder, "embed_images")):
            monkeypatch.setattr(engine, method, refuse)

    return go


def decisions(folder: Path) -> list[dict]:
    rows, _ = read_descriptors(folder / "descriptors.parquet")
    return sorted((row.model_dump() for row in rows), key=lambda row: row["descriptor_id"])


def test_the_same_thresholds_decide_the_same(run: Run, configure: Callable, tmp_path: Path, nobody: Callable) -> None:
    run(configure(), tmp_path / "old")
    nobody()
    again = refilter(tmp_path / "old", [], tmp_path / "new")
    check_file(again.descriptors)
    assert decisions(tmp_path / "new") == decisions(tmp_path / "old")
    assert read_semantics(again.semantics)[0] == read_semantics(tmp_path / "old" / "semantics.parquet")[0]


def test_stricter_thresholds_decide_as_a_run_with_them(
    run: Run, configure: Callable, tmp_path: Path, nobody: Callable
) -> None:
    run(configure(**LOOSE), tmp_path / "old")
    strict = {"crosscheck": {"threshold": 0.5}, "ground": {"threshold": 0.35, "gap": -0.2}}
    whole = run(configure(**strict, filter={"margin": -0.1, "budget": 3}), tmp_path / "whole")
    nobody()
    again = refilter(tmp_path / "old", STRICT, tmp_path / "new")
    kept = [
        [(row["descriptor_id"], row["rank"], row["weight"]) for row in decisions(folder) if row["kept"]]
        for folder in (tmp_path / "new", tmp_path / "whole")
    ]
    assert kept[0] == kept[1] != []
    assert again.run["rejected"] == whole.run["rejected"]
    assert again.run["not_scored"] == 0
    assert read_semantics(again.semantics)[0] == read_semantics(whole.semantics)[0]


def test_what_was_never_looked_at_stays_out_and_says_so(
    run: Run, configure: Callable, tmp_path: Path, nobody: Callable
) -> None:
    run(configure(crosscheck={"threshold": 0.6}), tmp_path / "old")
    before = {row["descriptor_id"]: row for row in decisions(tmp_path / "old")}
    nobody()
    again = refilter(tmp_path / "old", ["crosscheck.threshold=0.3"], tmp_path / "new")
    fresh = [row for row in decisions(tmp_path / "new") if row["reason"] == "not_scored"]
    assert again.run["not_scored"] == len(fresh) > 0
    assert {row["stage"] for row in fresh} == {"ground"}
    assert {before[row["descriptor_id"]]["reason"] for row in fresh} == {"no_agreement"}
    assert len(before) == again.run["rows"]


def test_the_old_folder_answers_for_what_was_not_scored(run: Run, configure: Callable, tmp_path: Path) -> None:
    run(configure(crosscheck={"threshold": 0.6}), tmp_path / "old")
    longer = run(configure(crosscheck={"threshold": 0.3}), tmp_path / "old")
    assert longer.run["stages"]["propose"]["models"]["ann"]["asked"] == 0
    assert longer.run["stages"]["ground"]["models"]["eye"]["asked"] > 0
    assert "not_scored" not in longer.run["rejected"]


def test_what_no_model_answered_about_is_not_called_unscored(run: Run, configure: Callable, tmp_path: Path) -> None:
    vlm = {"name": "eye", "path": "eye", "args": {"fail": ["of this picture"]}}
    run(configure(vlm=vlm), tmp_path / "old")
    again = refilter(tmp_path / "old", ["ground.threshold=0.0"], tmp_path / "new")
    assert again.run["not_scored"] == 0
    assert again.run["rejected"]["no_answer"] > 0


def test_what_no_model_answered_about_is_known_after_other_thresholds_in_between(
    run: Run, configure: Callable, tmp_path: Path
) -> None:
    vlm = {"name": "eye", "path": "eye", "args": {"fail": ["of this picture"]}}
    first = run(configure(vlm=vlm, crosscheck={"threshold": 0.3}), tmp_path / "old").run["rejected"]["no_answer"]
    strict = refilter(tmp_path / "old", ["crosscheck.threshold=0.9"], tmp_path / "strict")
    assert strict.run["rejected"].get("no_answer", 0) < first
    again = refilter(tmp_path / "strict", ["crosscheck.threshold=0.3"], tmp_path / "again")
    assert (again.run["not_scored"], again.run["rejected"]["no_answer"]) == (0, first)


def test_a_refusal_leaves_no_folder(run: Run, configure: Callable, tmp_path: Path, artifacts: Path) -> None:
    run(configure(), tmp_path / "old")
    assert command(["mine", "--refilter", str(tmp_path / "old"), "--set", "propose.samples=9"]) == 2
    assert not list(artifacts.glob("mine/*"))


def test_steps_that_were_skipped_stay_skipped(run: Run, configure: Callable, tmp_path: Path) -> None:
    run(configure(), tmp_path / "old", images=None)
    again = refilter(tmp_path / "old", ["crosscheck.threshold=0.5"], tmp_path / "new")
    assert set(again.run["skipped"]) == {"ground", "filter"}
    assert again.run["kept"] > 0
    assert again.run["not_scored"] == 0


def test_the_new_run_says_what_it_is_made_of_and_the_old_one_stays(
    run: Run, configure: Callable, tmp_path: Path
) -> None:
    old = run(configure(), tmp_path / "old").descriptors.read_bytes()
    again = refilter(tmp_path / "old", ["filter.budget=2"], tmp_path / "new")
    _, meta = read_descriptors(again.descriptors)
    assert (meta.run_id, meta.notes["refilter_of"], again.run["refilter_of"]) == ("new", "old", "old")
    assert meta.config["filter"]["budget"] == 2
    assert len(meta.images_seen) == 24
    assert (tmp_path / "old" / "descriptors.parquet").read_bytes() == old
    assert refilter(tmp_path / "new", [], tmp_path / "newer").run["kept"] == again.run["kept"]


@pytest.mark.parametrize("setting", ["propose.samples=3", "merge.similarity=0.9", "ground.images=2", "seed=1"])
def test_a_setting_that_needs_new_answers_is_refused(
    setting: str, run: Run, configure: Callable, tmp_path: Path
) -> None:
    run(configure(), tmp_path / "old")
    with pytest.raises(UsageError, match=rf"{setting.split('=', maxsplit=1)[0]} needs new answers"):
        refilter(tmp_path / "old", [setting], tmp_path / "new")


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not the folder of a finished run \(it has no run.json\)"):
        refilter(tmp_path, [], tmp_path / "new")


def test_its_own_folder_is_no_place_for_the_result(run: Run, configure: Callable, tmp_path: Path) -> None:
    run(configure(), tmp_path / "old")
    with pytest.raises(UsageError, match="stays as it is"):
        refilter(tmp_path / "old", [], tmp_path / "old")


def test_the_command_prints_the_path_of_the_new_file(
    run: Run, configure: Callable, tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(configure(crosscheck={"threshold": 0.6}), tmp_path / "old")
    assert command(["mine", "--refilter", str(tmp_path / "old"), "--set", "crosscheck.threshold=0.3"]) == 0
    done = capsys.readouterr()
    written = Path(done.out.rstrip("\n"))
    assert written.parent.parent == artifacts / "mine"
    check_file(written)
    assert "not_scored" in done.err
    assert command(["mine", "--refilter", str(tmp_path / "old"), "--classes", "mini"]) == 2
