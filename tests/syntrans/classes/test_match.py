"""Which key belongs to which class, and when that cannot be told."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.classes.entries import ClassEntry, composed, slug
from syntrans.classes.match import match, nearest, pair
from syntrans.errors import InputError


def named(*names: str) -> list[ClassEntry]:
    return [ClassEntry(slug(name), name) for name in names]


def matched(wanted: list[ClassEntry], *available: str | ClassEntry) -> dict[str, str]:
    return match(wanted, available, "photos").found


def test_an_exact_name_is_taken_before_one_in_another_case() -> None:
    assert matched(named("Bar"), "bar", "Bar") == {"bar": "Bar"}


def test_an_id_that_somebody_gave_is_taken_before_a_name() -> None:
    assert matched([ClassEntry("b", "a"), ClassEntry("a", "b")], "a", "b") == {"b": "b", "a": "a"}


def test_case_and_separators_do_not_matter_where_one_and_one_are_left() -> None:
    assert matched(named("house finch", "wolf"), "House_Finch", "wolf", "lamb") == {
        "house-finch": "House_Finch",
        "wolf": "wolf",
    }


@pytest.mark.parametrize(
    "names",
    [
        ("Bär", "Bar"),
        ("C", "C++", "C#"),
        ("dưa", "dừa", "dứa"),
        ("ハス", "バス", "パス"),
        ("น้ำ", "นำ"),
        ("की", "का", "कि"),
        ("🦊", "🐻"),
        ("Maße", "Masse"),
    ],
)
def test_names_that_differ_by_marks_or_signs_are_several_classes_each_with_its_own_folder(
    names: tuple[str, ...],
) -> None:
    entries = named(*names)
    assert len({entry.id for entry in entries}) == len(names)
    assert matched(entries, *reversed(names)) == {slug(name): name for name in names}


def test_decomposed_folders_are_met_by_composed_names_with_explicit_ids() -> None:
    entries = [ClassEntry("pass", "パス"), ClassEntry("bus", "バス")]
    folders = [unicodedata.normalize("NFD", name) for name in ("バス", "パス")]
    assert matched(entries, *folders) == {"pass": folders[1], "bus": folders[0]}


def test_two_folders_for_one_class_are_an_error_that_names_both() -> None:
    with pytest.raises(InputError, match="'human-brain' could be 'human brain' or 'Human_Brain'"):
        matched(named("human-brain"), "human brain", "Human_Brain")


def test_one_name_in_two_unicode_spellings_is_an_error_that_shows_how_they_differ() -> None:
    with pytest.raises(InputError, match=r"'B\\xe4r' or 'Ba\\u0308r'"):
        matched(named("Bär"), "Bär", unicodedata.normalize("NFD", "Bär"))


def test_one_key_for_two_classes_is_an_error_that_names_both_ids() -> None:
    cranes = [ClassEntry("n02012849", "crane"), ClassEntry("n03126707", "crane")]
    with pytest.raises(InputError, match="'crane' could belong to .* n02012849, n03126707"):
        matched(cranes, "crane")


def test_a_name_of_two_described_classes_is_an_error_that_names_their_ids() -> None:
    with pytest.raises(InputError, match="'crane' could be 'n02012849' or 'n03126707'"):
        matched(named("crane"), ClassEntry("n02012849", "crane"), ClassEntry("n03126707", "crane"))


def test_the_id_tells_two_described_classes_of_one_name_apart() -> None:
    cranes = [ClassEntry("n02012849", "crane"), ClassEntry("n03126707", "crane")]
    assert matched(cranes, *reversed(cranes)) == {"n02012849": "n02012849", "n03126707": "n03126707"}


def test_what_is_missing_and_what_is_left_over_is_said() -> None:
    matches = pair(named("wolf", "lamb"), ["lamb", "bear"])
    assert ([entry.name for entry in matches.missing], matches.left_over) == (["wolf"], ["bear"])


def test_the_nearest_spelling_of_a_missing_class_is_named() -> None:
    assert nearest(named("goldfinch", "wolf"), ["gold_finch", "bear"]) == "goldfinch (nearest: gold_finch), wolf"


def test_names_without_a_letter_meet_nothing_by_their_empty_id() -> None:
    assert pair([ClassEntry("q", "???")], ["..."]).found == {}


NAMES = st.text(min_size=1).filter(slug)


@given(st.lists(NAMES, min_size=1, max_size=8))
def test_ids_are_equal_only_where_names_differ_in_case_and_separators(names: list[str]) -> None:
    def words(name: str) -> list[str]:
        lower = unicodedata.normalize("NFC", composed(name).lower())
        dashed = (" " if unicodedata.category(c)[0] in "PZ" and c not in "#%*@" else c for c in lower)
        return "".join(dashed).split(" ")

    for a in names:
        for b in names:
            same = [word for word in words(a) if word] == [word for word in words(b) if word]
            assert (slug(a) == slug(b)) == same
        assert slug(slug(a)) == slug(a)


@given(st.lists(NAMES, min_size=1, max_size=12, unique_by=slug), st.randoms())
def test_no_key_is_given_to_two_classes_and_respelled_keys_find_their_own(names: list[str], random) -> None:
    keys = [random.choice([str, str.upper, lambda n: unicodedata.normalize("NFD", n)])(name) for name in names]
    matches = pair(named(*names), keys)
    assert len(set(matches.found.values())) == len(matches.found)
    for entry, key in zip(named(*names), keys, strict=True):
        if key == entry.name:
            assert matches.found[entry.id] == key


@given(st.text(alphabet=[chr(c) for c in range(32, 127)]))
def test_an_ascii_name_of_letters_digits_and_separators_keeps_the_id_it_always_had(name: str) -> None:
    import re

    if not set(name) & set("#%*@$+<=>^`|~"):
        assert slug(name) == re.sub(r"[\W_]+", "-", name.casefold()).strip("-")
