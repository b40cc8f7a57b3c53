"""The journal: what makes two requests the same, and that nothing it was given is lost."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.errors import InputError
from syntrans_mining.engines.base import Message, Response, Sampling
from syntrans_mining.requests.response_cache import ResponseCache, request_key

_text = st.text(max_size=40)
_request = st.fixed_dictionaries(
    {
        "identity": _text,
        "prompt_sha256": _text,
        "messages": st.tuples(st.builds(Message, role=st.just("user"), text=_text, picture=st.booleans())),
        "sampling": st.builds(Sampling, max_tokens=st.integers(1, 9), seed=st.integers(0, 2**31)),
        "picture": st.none() | _text,
        "schema": st.none() | _text,
        "yes_no": st.booleans(),
    }
)
_response = st.builds(
    Response,
    id=st.text("0123456789abcdef", min_size=4, max_size=8),
    text=_text,
    finish_reason=st.sampled_from(["stop", "length"]),
    p_yes=st.none() | st.floats(0, 1),
    prompt_tokens=st.integers(0, 99),
)


def put_all(journal: ResponseCache, responses: list[Response]) -> None:
    for response in responses:
        journal.put("ground", "eye", response)


@given(_request)
def test_equal_requests_have_equal_keys(request: dict) -> None:
    assert request_key(**request) == request_key(**dict(request))


@given(_request, st.data())
def test_whatever_changes_the_answer_changes_the_key(request: dict, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["identity", "prompt_sha256", "picture", "schema"]))
    other = {**request, name: (request[name] or "") + "x"}
    assert request_key(**request) != request_key(**other)


@given(_request)
def test_a_seed_counts_where_it_is_used(request: dict) -> None:
    other = {**request, "sampling": replace(request["sampling"], seed=request["sampling"].seed + 1)}
    assert (request_key(**request) == request_key(**other)) == request["yes_no"]


@settings(max_examples=25, deadline=None)
@given(responses=st.lists(_response, unique_by=lambda response: response.id, max_size=20))
def test_what_was_put_comes_back(responses: list[Response], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.sqlite"
    journal = ResponseCache(path)
    put_all(journal, responses)
    journal.close()
    again = ResponseCache(path)
    cached = again.get([response.id for response in responses] + ["missing"])
    assert cached == {response.id: response for response in responses}
    assert again.count() == len(responses)
    again.close()


def test_passing_errors_are_not_kept(tmp_path: Path) -> None:
    journal = ResponseCache(tmp_path / "journal.sqlite")
    put_all(journal, [Response("aa", error="server away", transient=True), Response("bb")])
    assert list(journal.keys()) == ["bb"]
    journal.close()


def test_more_keys_than_sqlite_takes_in_one_query(tmp_path: Path) -> None:
    journal = ResponseCache(tmp_path / "journal.sqlite")
    responses = [Response(f"{number:08x}") for number in range(1300)]
    put_all(journal, responses)
    assert len(journal.get([response.id for response in responses])) == 1300
    journal.close()


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    journal = ResponseCache(tmp_path / "journal.sqlite")
    put_all(journal, [Response("aa")])
    journal.close()
    data = journal.path.read_bytes()
    journal.path.write_bytes(data[:4096] + b"U" * (len(data) - 4096))
    again = ResponseCache(journal.path)
    with pytest.raises(InputError, match=r"journal\.sqlite is damaged .*another --out"):
        again.get(["aa"])
    with pytest.raises(InputError, match="is damaged"):
        again.count()
    again.close()


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(InputError, match=r"journal\.sqlite is no journal"):
        ResponseCache(path)


def test_a_file_that_is_no_journal_leaves_no_connection_open(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 40)
    with pytest.raises(InputError, match="is no journal"):
        ResponseCache(tmp_path / "journal.sqlite")
    opened = {os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()}
    assert str((tmp_path / "journal.sqlite").resolve()) not in opened
