"""What others wrote, made harmless; and both doors through which it goes: the ledger's and the terminal's."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syntrans.console import say
from syntrans.contract.rows import Author, DescriptorRow, SemanticsRow, descriptor_id
from syntrans.text_safety import harmless_name, plain_text

BIDI = "\u202e\u2066\u200f"
HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x90\x07\\[];?0mJHP" + BIDI)), max_size=40)


@given(HOSTILE)
@example("\x1b\x1b[31m[31m")
@example("\x1b]0;\x1b[2Jtitle\x07")
@example("a\udc80b")
def test_nothing_unseen_is_left(text: str) -> None:
    left = plain_text(text)
    assert not {unicodedata.category(c) for c in left} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert left == " ".join(left.split())
    assert left.isprintable()


@given(HOSTILE)
def test_twice_is_as_good_as_once(text: str) -> None:
    assert plain_text(plain_text(text)) == plain_text(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1))
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert plain_text(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m wings", "red wings"),
        ("\x1b]0;owned\x07a beak", "a beak"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("\x1bPq#0;2;0\x1b\\sixel", "sixel"),
        ("\x1bcreset", "reset"),
        ("\x1b[31", "31"),
        (f"left{BIDI}right", "leftright"),
        ("gold\u200bfinch", "goldfinch"),
        ("two\r\n\tlines\u2028three", "two lines three"),
        ("[bold]x[/bold] {name} {{ name }} <|im_end|>", "[bold]x[/bold] {name} {{ name }} <|im_end|>"),
        ("Grüße, 日本 🦜", "Grüße, 日本 🦜"),
    ],
)
def test_commands_go_whole_and_words_stay(text: str, left: str) -> None:
    assert plain_text(text) == left


@given(HOSTILE)
def test_a_row_of_the_ledger_cannot_hold_a_control_character(text: str) -> None:
    author = Author(model="m", revision="r", prompt="p", sample=0, seed=0, raw=text)
    named = {"class_id": "c", "class_name": "c", "descriptor_id": descriptor_id("c", "x"), "facet": "other"}
    row = DescriptorRow(**named, text=text, authors=[author], kept=True)
    about = {"class_id": "c", "class_name": "c", "n_kept": 0, "encoder": "e", "encoder_revision": "r"}
    summary = SemanticsRow(**about, summary=text, embedding=[0.0])
    assert {row.text, row.authors[0].raw, summary.summary} == {plain_text(text)}


def test_a_message_that_quotes_a_model_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("the model said \x1b[2J\x1b]0;owned\x07\u202egood")
    assert capsys.readouterr().err == "syntrans: the model said good\n"


@pytest.mark.parametrize("name", ["two  blanks.jpg", "at 3.00\u202fPM.png", "\u0645\u06cc\u200c\u062e.jpg", "=1.jpg"])
def test_a_harmless_name_stays_as_it_is(name: str) -> None:
    assert harmless_name(name) == name


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", "gpj.\u202ea", "half \udcff", "\ufeffa"])
def test_a_name_that_could_do_harm_is_made_plain(name: str) -> None:
    assert harmless_name(name) == plain_text(name) != name
