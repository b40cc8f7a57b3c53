"""The plan of a run: what it counts, what it knows of models, where its figures come from."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from syntrans.classes.entries import ClassEntry
from syntrans.images.image_set import ImageRef
from syntrans.progress import Silent
from syntrans.tables import duration, size_of
from syntrans.views.plan import render_plan
from syntrans_mining.config import MiningConfig
from syntrans_mining.dry_run import request_counter
from syntrans_mining.dry_run.past_runs import latest_past_run
from syntrans_mining.dry_run.plan import card_licence, make_plan, model_line
from syntrans_mining.dry_run.probe import probe
from syntrans_mining.dry_run.request_counter import CLASSES, count_requests
from syntrans_mining.run.mine import mine
from syntrans_mining.run.output_files import MineResult

Configure = Callable[..., MiningConfig]
Run = Callable[..., MineResult]
Images = dict[str, list[ImageRef]]


def numbers_asked(result: MineResult) -> dict[tuple[str, str], int]:
    """Requests of a run by (stage, model)."""
    return {
        (stage, model): counts["asked"]
        for stage, values in result.run["stages"].items()
        for model, counts in values["models"].items()
    }


EVERYTHING = {
    "lint": {"ask_senses": True, "ambiguous": "first"},
    "contrast": {"prompt": "contrast.v1"},
    "compose": {"llm": "ann", "encoders": [{"name": "second", "path": "second"}]},
}


@pytest.mark.parametrize(
    "sections", [{}, EVERYTHING, {"clip": None}, {"vlm": None}], ids=["plain", "everything", "no CLIP", "no VLM"]
)
def test_a_dry_run_asks_in_the_same_steps_and_at_least_as_much_as_the_run(
    sections: dict[str, object], configure: Configure, run: Run, entries: list[ClassEntry]
) -> None:
    config, chosen = configure(**sections), entries[:CLASSES]
    real = numbers_asked(run(config, classes=chosen))
    counted = {key: tally.requests for key, tally in count_requests(config, chosen, pictures=True).tallies.items()}
    assert counted.keys() == real.keys()
    # How many sentences a writer writes, and so how many are judged, no prompt can bound.
    assert {key: count for key, count in real.items() if counted[key] < count and key[0] != "compose"} == {}
    proposals = {key: count for key, count in real.items() if key[0] in {"lint", "propose"}}
    assert {key: counted[key] for key in proposals} == proposals


def test_a_plan_goes_step_by_step(configure: Configure, entries: list[ClassEntry], tmp_path: Path) -> None:
    """Senses may be asked while models propose, and still are one stage."""
    config = configure(**EVERYTHING)
    stages = [row["stage"] for row in make_plan(config, entries, tmp_path, pictures=True)["calls"]]
    assert [stage for stage, _ in itertools.groupby(stages)] == ["lint", "propose", "crosscheck", "ground", "compose"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "sections",
    [
        {"propose": {"samples": 6}},
        {"contrast": {"prompt": "contrast.v1", "samples": 6}},
        {"ground": {"images": 20, "threshold": 0.3}, "propose": {"samples": 20}},
    ],
)
def test_many_samples_or_pictures_are_counted_as_if_all_had_been_asked(
    sections: dict[str, object], configure: Configure, entries: list[ClassEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted() -> dict[tuple[str, str], int]:
        two = [{"name": name, "path": name} for name in ("ann", "bob")]
        tallies = count_requests(configure(llms=two, **sections), entries[:2], pictures=True).tallies
        return {key: tally.requests for key, tally in tallies.items()}

    in_line = counted()
    monkeypatch.setattr(request_counter, "MOST", 6)
    assert in_line == counted()


@pytest.mark.slow
def test_a_plan_of_a_billion_samples_is_there_at_once(configure: Configure, entries: list[ClassEntry]) -> None:
    config = configure(propose={"samples": 10**9}, contrast={"samples": 10**9}, filter={"images": 10**9})
    n_requests = count_requests(config, entries[:2], pictures=True).tallies["propose", "ann"].requests
    assert n_requests == 2 * 10**9


def test_a_writer_is_shown_no_more_than_can_be_kept(configure: Configure, entries: list[ClassEntry]) -> None:
    config = configure(compose={"llm": "ann"}, filter={"margin": 0.0, "budget": 7})
    (message,) = [
        m.text for m in count_requests(config, entries, pictures=True).first["compose"][1] if m.role == "user"
    ]
    assert sum(line.startswith("- ") for line in message.splitlines()) == 7


def test_without_pictures_nothing_is_asked_about_them(configure: Configure, entries: list[ClassEntry]) -> None:
    stages = {stage for stage, _ in count_requests(configure(), entries, pictures=False).tallies}
    assert stages == {"propose", "crosscheck"}


def test_the_first_prompts_are_those_that_will_be_asked(configure: Configure, entries: list[ClassEntry]) -> None:
    first = count_requests(configure(), entries, pictures=True).first
    assert f"recognise {entries[0].name}" in first["propose"][1][1].text
    assert entries[0].name in first["crosscheck"][1][0].text
    assert first["ground"][1][0].picture


def test_a_plan_without_figures_grows_with_the_classes(configure: Configure, tmp_path: Path) -> None:
    def requests(n: int) -> int:
        many = [ClassEntry(f"c{i}", f"bird {i}") for i in range(n)]
        plan = make_plan(configure(), many, tmp_path, pictures=True)
        assert plan["prediction"] is None
        assert all(call["most"] for call in plan["calls"])
        return sum(call["requests"] for call in plan["calls"])

    assert requests(300) == 100 * requests(3)


def test_a_plan_takes_the_figures_of_the_last_run(
    configure: Configure, run: Run, entries: list[ClassEntry], tmp_path: Path
) -> None:
    done = run(configure(), tmp_path / "mine" / "one")
    plan = make_plan(configure(), [*entries] * 25, tmp_path, pictures=True)
    assert {(call["stage"], call["model"]): call["requests"] for call in plan["calls"]} == {
        key: 25 * count for key, count in numbers_asked(done).items()
    }
    assert plan["prediction"]["source"] == str(tmp_path / "mine" / "one")
    assert plan["prediction"]["seconds"] >= 24 * sum(stage["seconds"] for stage in done.run["stages"].values())
    assert plan["prediction"]["disk_bytes"] > 0
    assert plan["prediction"]["differs"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"propose": {"samples": 3}},
        {"llms": [{"name": "ann", "path": "another"}, {"name": "bob", "path": "bob"}]},
        {"ground": {"threshold": 0.3, "images": 2}},
    ],
)
def test_figures_of_other_models_or_questions_are_not_taken(
    change: dict[str, object], configure: Configure, run: Run, tmp_path: Path
) -> None:
    run(configure(), tmp_path / "mine" / "one")
    assert latest_past_run(configure(**change), tmp_path, pictures=True) is None
    assert latest_past_run(configure(), tmp_path, pictures=False) is None


def test_figures_under_other_thresholds_are_taken_and_it_is_said(
    configure: Configure, run: Run, entries: list[ClassEntry], tmp_path: Path
) -> None:
    run(configure(), tmp_path / "mine" / "one")
    plan = make_plan(configure(crosscheck={"threshold": 0.9}), entries, tmp_path, pictures=True)
    assert plan["prediction"]["differs"] == ["crosscheck.threshold"]
    assert "other values of crosscheck.threshold" in render_plan(plan, head="", free_bytes=1e9)


def test_a_run_that_answered_from_its_journal_gives_no_figures(configure: Configure, run: Run, tmp_path: Path) -> None:
    run(configure(), tmp_path / "mine" / "one")
    run(configure(), tmp_path / "mine" / "one")
    assert latest_past_run(configure(), tmp_path, pictures=True) is None


def test_figures_of_another_machine_are_a_hint_only(
    configure: Configure, run: Run, entries: list[ClassEntry], tmp_path: Path
) -> None:
    done = run(configure(), tmp_path / "mine" / "one")
    done.run_json.write_text(json.dumps({**done.run, "hardware": {"processor": "another"}}))
    plan = make_plan(configure(), entries, tmp_path, pictures=True)
    assert plan["prediction"]["other_hardware"]
    assert "on other hardware" in render_plan(plan, head="", free_bytes=1e9)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"stages": 1}'])
def test_a_damaged_report_is_passed_over(text: str, configure: Configure, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "one"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(text)
    (folder / "config.yaml").write_text("{}")
    assert latest_past_run(configure(), tmp_path, pictures=True) is None


def test_a_probe_leaves_figures_of_as_many_classes_as_its_time_allows(
    configure: Configure, entries: list[ClassEntry], images: Images, tmp_path: Path
) -> None:
    done = probe(configure(), entries, images, tmp_path / "cache" / "probe" / "x", seconds=60)
    assert done.run["classes"] == len(entries)
    figures = latest_past_run(configure(plan={"probe_seconds": 60}), tmp_path, pictures=True)
    assert figures is not None
    assert figures.classes == len(entries)
    short = probe(configure({"delay": 0.01}), entries, images, tmp_path / "y", seconds=0.1)
    assert short.run["classes"] == 2


def test_a_probe_asks_what_the_run_asks(
    configure: Configure, run: Run, entries: list[ClassEntry], images: Images, tmp_path: Path
) -> None:
    probed = probe(configure(), entries, images, tmp_path / "probed", seconds=60)
    mined = mine(configure(), entries, images, tmp_path / "mined", progress=Silent())
    assert numbers_asked(probed) == numbers_asked(mined)
    # Its journal is measured as well: most of what a run takes on the disk.
    assert (tmp_path / "probed" / "journal.sqlite").stat().st_size > 10_000


def test_a_model_of_the_hub_that_is_not_here_is_missing_offline(configure: Configure) -> None:
    config = configure(
        engine={"kind": "vllm"},
        llms=[{"name": "m", "path": "org/none@main", "licence": "mit", "size_gb": 1.5}],
    )
    line = model_line(config, config.llms[0], "llm")
    assert (line["state"], line["licence"], line["bytes"], line["revision"]) == (
        "missing",
        "mit",
        1_500_000_000,
        "main",
    )
    assert "hf download org/none" in line["problem"]


def test_where_there_is_a_network_it_is_to_be_downloaded(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    config = configure(engine={"kind": "vllm"}, llms=[{"name": "m", "path": "org/none", "size_gb": 1.5}])
    assert model_line(config, config.llms[0], "llm")["state"] == "to download"


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags: [x]\n---\n# Model", "apache-2.0"),
        ("# no front matter", None),
        ("---\nlicense: [a, b]\n---\n", None),
        ("---\n{\n---\n", None),
    ],
)
def test_a_licence_is_read_from_the_models_own_card(card: str, licence: str | None, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(card)
    assert card_licence(tmp_path) == licence


@pytest.mark.parametrize(("seconds", "words"), [(3, "3 s"), (600, "10 min"), (7200, "2.0 h"), (86_400 * 3, "3.0 days")])
def test_durations_are_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("n", "words"), [(500, "0 kB"), (2.5e6, "2.5 MB"), (1.4e10, "14.0 GB"), (2e12, "2.0 TB")])
def test_sizes_are_in_words(n: float, words: str) -> None:
    assert size_of(n) == words


def test_what_a_prompt_says_cannot_steer_the_terminal(configure: Configure, tmp_path: Path) -> None:
    plan = make_plan(configure(), [ClassEntry("x", "wren\x1b[2J [bold]")], tmp_path, pictures=False)
    page = render_plan(plan, head="", free_bytes=1e9)
    assert "\x1b" not in page
    assert "recognise wren [bold] in" in page
