"""Sealed reports: what is written is read; what was edited, cut or damaged is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.errors import InputError
from syntrans.files.sealed_json import CHECKSUM, SEALED, read_sealed_json, sealed_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
REPORTS = st.dictionaries(st.text(max_size=4).filter(lambda key: key not in {CHECKSUM, SEALED}), VALUES, max_size=4)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sealed") / "report.json"


@given(values=REPORTS)
@settings(max_examples=60)
def test_a_report_comes_back_as_it_was(values: dict, file: Path) -> None:
    file.write_text(sealed_json(values), encoding="utf-8")
    assert read_sealed_json(file, "write it again") == values


@given(values=REPORTS, key=st.text("ab", min_size=5, max_size=6), added=VALUES)
@settings(max_examples=30)
def test_a_key_that_was_added_by_hand_is_noticed(values: dict, key: str, added: object, file: Path) -> None:
    edited = {**json.loads(sealed_json(values)), key: added}
    file.write_text(json.dumps(edited), encoding="utf-8")
    with pytest.raises(InputError, match="was edited .*; write it again"):
        read_sealed_json(file, "write it again")


@pytest.mark.parametrize("lost", [CHECKSUM, "accuracy"])
def test_a_key_that_was_lost_is_noticed(lost: str, file: Path) -> None:
    values = json.loads(sealed_json({"accuracy": 0.5}))
    del values[lost]
    file.write_text(json.dumps(values))
    with pytest.raises(InputError, match="damaged or was edited"):
        read_sealed_json(file, "write it again")


def test_the_order_and_the_spaces_of_a_report_say_nothing(file: Path) -> None:
    values = json.loads(sealed_json({"a": 1, "b": [1, 2]}))
    file.write_text(json.dumps(dict(reversed(values.items())), separators=(",", ":")))
    assert read_sealed_json(file, "") == {"a": 1, "b": [1, 2]}


def test_a_report_of_before_there_were_seals_is_read(file: Path) -> None:
    file.write_text('{"accuracy": 0.5}')
    assert read_sealed_json(file, "") == {"accuracy": 0.5}


def test_what_is_no_report_is_named_with_what_to_do(file: Path) -> None:
    file.write_text("[1]")
    with pytest.raises(InputError, match="holds no report; train again"):
        read_sealed_json(file, "train again")


def test_tuples_are_read_as_lists_and_numbers_as_keys_as_text(file: Path) -> None:
    file.write_text(sealed_json({"shots": {1: (2, 3)}}))
    assert read_sealed_json(file, "") == {"shots": {"1": [2, 3]}}
