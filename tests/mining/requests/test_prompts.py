"""Prompt files: every shipped one, and every way in which one can be wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from syntrans.contract.rows import FACETS
from syntrans.errors import InputError
from syntrans.paths import shipped_dir
from syntrans_mining.requests.prompts import load_prompt

SHIPPED = sorted(shipped_dir("prompts").rglob("*.yaml"))
VALUES = {
    "name": "heron",
    "definition": None,
    "descriptor": "a long neck",
    "n": 8,
    "other": "ibis",
    "other_definition": "a wader",
    "descriptors": ["a long neck", "grey wings"],
    "sentence": "It is grey.",
}
GOOD = {
    "id": "mine.v1",
    "version": 1,
    "purpose": "crosscheck",
    "variables": ["name", "descriptor"],
    "messages": [{"role": "user", "text": "{{ name }}: {{ descriptor }}?"}],
    "answer": "yes_no",
}


def write(folder: Path, **changes: object) -> str:
    path = folder / "mine.v1.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return str(path)


def test_there_are_prompts() -> None:
    assert len(SHIPPED) >= 6


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_prompt_loads_and_renders(path: Path) -> None:
    purpose = yaml.safe_load(path.read_text())["purpose"]
    prompt = load_prompt(path.stem, purpose)
    assert prompt.id == path.stem
    assert f".v{prompt.version}" in path.name
    text = prompt.render(VALUES)[-1].text
    assert not re.search(r"[{}]|None", text)
    if purpose in {"propose", "contrast"}:
        assert isinstance(prompt.answer, dict)
        item = prompt.answer["properties"]["descriptors"]["items"]
        assert set(item["properties"]["facet"]["enum"]) <= set(FACETS)
        assert item["properties"]["text"]["maxLength"] < 100


def test_the_world_is_asked_in_the_words_it_was_trained_on() -> None:
    texts = {
        purpose: load_prompt(f"world_{purpose}.v1", purpose).render(VALUES)[0].text
        for purpose in ("propose", "crosscheck", "ground")
    }
    assert texts == {
        "propose": "Describe heron.",
        "crosscheck": 'Is heron described by "a long neck"?',
        "ground": 'Does this picture show "a long neck"?',
    }


def test_a_definition_is_shown_where_there_is_one() -> None:
    prompt = load_prompt("propose.v1", "propose")
    assert "(a machine)" in prompt.render({**VALUES, "definition": "a machine"})[-1].text


def test_all_missing_variables_are_listed() -> None:
    with pytest.raises(InputError, match="no value for name, definition, descriptor"):
        load_prompt("crosscheck.v1", "crosscheck").render({})


def test_values_are_never_rendered_again(tmp_path: Path) -> None:
    prompt = load_prompt(write(tmp_path), "crosscheck")
    assert prompt.render({"name": "{{ 7 * 7 }}", "descriptor": "{% raw %}"})[0].text == "{{ 7 * 7 }}: {% raw %}?"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variables": ["name"]}, "uses descriptor but does not declare it"),
        ({"purpose": "ground"}, "is for ground, and was given for crosscheck"),
        ({"answer": {"type": "object"}}, "needs yes_no as answer"),
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"messages": [{"role": "user", "text": "{{ name"}]}, "correct the template"),
        ({"messages": [{"role": "user", "text": "{{ name }}", "picture": True}]}, "takes 0 pictures, found 1"),
        ({"messages": []}, "messages: "),
    ],
)
def test_a_wrong_prompt_is_refused_with_the_reason(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        load_prompt(write(tmp_path, **changes), "crosscheck")


def test_templates_cannot_reach_python(tmp_path: Path) -> None:
    evil = write(tmp_path, messages=[{"role": "user", "text": "{{ name.__class__.__mro__ }}{{ descriptor }}"}])
    with pytest.raises(InputError, match="does not render"):
        load_prompt(evil, "crosscheck").render({"name": "x", "descriptor": "y"})


def test_a_prompt_that_is_not_there_is_named_with_the_alternatives() -> None:
    with pytest.raises(InputError, match=r"one of: .*world_propose\.v1"):
        load_prompt("propose.v99", "propose")


def test_a_list_of_statements_is_one_line_each() -> None:
    text = load_prompt("support.v1", "support").render(VALUES)[-1].text
    assert "looks:\n- a long neck\n- grey wings\nDoes everything" in text


@pytest.mark.parametrize(
    ("purpose", "answer", "needs"),
    [("senses", "yes_no", "a JSON schema"), ("compose", "yes_no", "text"), ("support", "text", "yes_no")],
)
def test_a_prompt_must_ask_for_the_answer_of_its_purpose(purpose: str, answer: str, needs: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{purpose} needs {needs}"):
        load_prompt(write(tmp_path, purpose=purpose, answer=answer), purpose)  # type: ignore[arg-type]
