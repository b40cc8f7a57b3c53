"""`syntrans report --live`: the page of a run while it works, for this machine alone."""

from __future__ import annotations

import http.client
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from syntrans.cli.app import run
from syntrans.errors import InputError
from syntrans.views.report.live import Followed, open_server

Get = Callable[..., tuple[int, str]]


@pytest.fixture
def working(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "request.json").write_text("{}")
    with closing(sqlite3.connect(folder / "journal.sqlite")) as store, store:
        store.execute("create table answers (key text primary key, stage text, model text, answer text, digest text)")
        store.execute("insert into answers values ('k', 'propose', 'ann', '', '')")
    return folder


@pytest.fixture
def get(working: Path) -> Iterator[Get]:
    followed = Followed([working])
    with open_server(followed, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def ask(path: str, host: str | None = None) -> tuple[int, str]:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
            connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{server.server_port}"})
            reply = connection.getresponse()
            text = reply.read().decode()
            connection.close()
            return reply.status, text

        yield ask
        server.shutdown()


def test_what_a_run_has_asked_until_now_is_shown_and_news_are_told_once(get: Get, working: Path) -> None:
    status, page = get("/")
    assert status == 200
    assert "connect-src 'self'" in page.replace("&#39;", "'")
    status, text = get("/data.json?seen=")
    state = json.loads(text)
    assert state["data"]["parts"][0]["answers"] == [{"stage": "propose", "model": "ann", "answers": 1}]
    assert get(f"/data.json?seen={state['version']}") == (204, "")
    (working / "metrics.jsonl").write_text('{"epoch": 1, "loss": 2.0}\n')
    status, text = get(f"/data.json?seen={state['version']}")
    assert status == 200
    assert json.loads(text)["data"]["parts"][0]["curves"][0]["rows"] == [{"epoch": 1, "loss": 2.0}]


@pytest.mark.parametrize(("path", "host", "status"), [("/", "evil.example", 421), ("/etc/passwd", None, 404)])
def test_other_names_and_other_files_are_not_answered(get: Get, path: str, host: str | None, status: int) -> None:
    assert get(path, host)[0] == status


def test_what_is_no_run_is_not_followed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        Followed([tmp_path]).look()


def test_live_and_a_file_exclude_each_other(working: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(working), "--live", "--json"]) == 2
    assert "--live" in capsys.readouterr().err
