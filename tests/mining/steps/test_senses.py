"""Class names that mean several things: asked about, shown, chosen, recorded."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.classes.entries import ClassEntry, class_list_sha256
from syntrans.contract.reading import read_descriptors
from syntrans.errors import InputError
from syntrans.progress import Silent
from syntrans_mining.engines.base import Response
from syntrans_mining.run.output_files import MineResult
from syntrans_mining.steps import senses

Run = Callable[..., MineResult]
BIRDS = [ClassEntry("crane", "Crane"), ClassEntry("heron", "heron"), ClassEntry("kite", "kite", "a bird of prey")]


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def test_only_what_nothing_settles_is_in_question() -> None:
    assert [entry.id for entry in senses.ambiguous_entries(BIRDS, {}, ask_all=False)] == ["crane"]
    assert [entry.id for entry in senses.ambiguous_entries(BIRDS, {}, ask_all=True)] == ["crane", "heron"]
    assert senses.ambiguous_entries(BIRDS, {"crane": "a bird"}, ask_all=False) == []
    assert [entry.id for entry in senses.ambiguous_entries(BIRDS, {"Crane": 1}, ask_all=False)] == ["crane"]
    wnid = ClassEntry("n02012849", "crane")
    assert senses.ambiguous_entries([wnid], {}, ask_all=True) == []


def test_a_homonym_ends_the_run_with_its_senses_shown(run: Run, configure: Callable) -> None:
    heard = Heard()
    with pytest.raises(InputError, match=r"1 class names mean several things \(Crane\).*lint\.senses\.crane=1"):
        run(configure(), images=None, classes=BIRDS, progress=heard)
    shown = "\n".join(heard.lines)
    assert "Crane: 1. a " in shown
    assert "(ann, bob, cleo)" in shown
    assert "a tall long-necked wading bird (known homonyms)" in shown


@pytest.mark.parametrize("lint", [{"ambiguous": "first"}, {"senses": {"crane": 1}}])
def test_the_chosen_sense_is_in_every_prompt_and_in_the_record(run: Run, configure: Callable, lint: dict) -> None:
    result = run(configure(lint=lint), images=None, classes=BIRDS)
    taken = result.run["details"]["lint"]["senses"]["crane"]
    _, meta = read_descriptors(result.descriptors)
    assert meta.notes["senses"] == {"crane": taken}
    assert "senses.v1" in meta.prompt_sha256
    assert meta.class_list_sha256 == class_list_sha256(BIRDS)
    assert next(iter(result.run["stages"])) == "lint"
    fixed = run(configure(lint={"senses": {"crane": taken}}), images=None, classes=BIRDS)
    n_asked = [model["asked"] for stage in fixed.run["stages"].values() for model in stage["models"].values()]
    assert sum(n_asked) == 0  # the same prompts, definition and all


def test_a_definition_given_in_the_config_asks_no_model(run: Run, configure: Callable) -> None:
    result = run(configure(lint={"senses": {"Crane": "a wading bird"}}), images=None, classes=BIRDS)
    assert "lint" not in result.run["stages"]
    assert result.run["details"]["lint"]["senses"] == {"crane": "a wading bird"}


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"crow": 1}, "'crow', which is no class"),
        ({"crane": 9}, "'Crane' has 4 senses"),
        ({"crane": 1, "kite": 1}, "'kite' is not ambiguous"),
    ],
)
def test_a_choice_of_nothing_is_refused(run: Run, configure: Callable, chosen: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        run(configure(lint={"senses": chosen}), images=None, classes=BIRDS)


def test_names_that_no_list_knows_are_asked_about_on_demand(run: Run, configure: Callable) -> None:
    with pytest.raises(InputError, match=r"2 class names mean several things \(Crane, heron\)"):
        run(configure(lint={"ask_senses": True}), images=None, classes=BIRDS)


def test_models_that_do_not_answer_leave_the_built_in_senses(run: Run, configure: Callable) -> None:
    result = run(configure({"fail": ["has a class called"]}, lint={"ambiguous": "first"}), images=None, classes=BIRDS)
    assert result.run["details"]["lint"]["senses"] == {"crane": "a tall long-necked wading bird"}


def test_the_first_sense_needs_one_model_only_and_all_of_them_are_recorded(run: Run, configure: Callable) -> None:
    """So that where models take turns none is loaded for its senses alone."""
    heard, lint = Heard(), {"ambiguous": "first", "ask_senses": True}
    result = run(configure(lint=lint, compose={"llm": "bob"}), images=None, classes=BIRDS, progress=heard)
    taken = result.run["details"]["lint"]["senses"]
    assert taken["crane"] == "a tall long-necked wading bird"
    assert any(line.startswith(f"heron: 1. {taken['heron']} (bob") for line in heard.lines)
    n_asked = {name: counts["asked"] for name, counts in result.run["stages"]["lint"]["models"].items()}
    assert n_asked == {"ann": 2, "bob": 2, "cleo": 2}
    proposing = result.run["stages"]["propose"]["models"]
    assert {counts["asked"] for counts in proposing.values()} == {3 * 2}


def test_the_first_sense_is_that_of_the_list_that_is_shown(run: Run, configure: Callable) -> None:
    first = run(configure(lint={"ambiguous": "first"}), images=None, classes=BIRDS)
    chosen = run(configure(lint={"senses": {"crane": 1}}), images=None, classes=BIRDS)
    assert first.run["details"]["lint"] == chosen.run["details"]["lint"]


def test_a_name_with_one_sense_is_left_as_it_is() -> None:
    settled, taken = senses.resolve_senses(BIRDS, {}, {}, first=lambda entry: None)
    assert settled == BIRDS
    assert taken == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"senses": ["a bird", " a\nmachine "]}), ["a bird", "a machine"]),
        (json.dumps(["a bird", 7, ""]), ["a bird"]),
        (json.dumps({"senses": "a bird"}), []),
        ('{"senses": ["a bi', []),
        ("", []),
    ],
)
def test_answers_are_read_or_left_out(text: str, expected: list[str]) -> None:
    assert senses.parse_senses(Response("id", text)) == expected
    assert senses.parse_senses(Response("id", text, "length")) == []


@given(st.text())
def test_any_text_is_read_or_left_out(text: str) -> None:
    assert all(sense.isprintable() for sense in senses.parse_senses(Response("id", text)))
