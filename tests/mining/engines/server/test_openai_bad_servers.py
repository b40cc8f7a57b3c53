"""Servers that answer with anything at all: rows with reasons or one line, never a traceback, never another host."""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from bad_server import Handler, request_of

from syntrans.cli.app import run as command
from syntrans.config import load_config
from syntrans.contract.reading import read_descriptors
from syntrans.errors import EnvironmentProblem, ModelLoadError, UsageError
from syntrans_mining.config import MiningConfig
from syntrans_mining.engines.base import Response
from syntrans_mining.engines.build import build_engine
from syntrans_mining.engines.fake import FakeEncoder
from syntrans_mining.engines.server.openai import OpenAIEngine
from syntrans_mining.engines.server.proxy import is_loopback, proxy_for, proxy_notice
from syntrans_mining.engines.workers import host
from syntrans_mining.models import resolve_models
from syntrans_mining.placement.hosting import make_host


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def ask(address: str) -> Callable[..., Response]:
    Handler.seen = []

    def go(mode: str, *, yes_no: bool = False, **args: Any) -> Response:
        args = {"base_url": f"{address}/{mode}/v1", "retries": 0, "timeout": 20, **args}
        with closing(OpenAIEngine("a", **args)) as engine:
            (response,) = engine.generate([request_of(yes_no=yes_no)])
        return response

    return go


@pytest.mark.parametrize("mode", ["drip", "drip-head", "drip-refusal", "stall"])
def test_a_server_that_drips_is_given_up_at_the_deadline(mode: str, ask: Callable[..., Response]) -> None:
    response = ask(mode, timeout=0.5)
    assert (response.transient, response.error) == (True, "server: APITimeoutError")


def test_all_tries_together_have_a_deadline(ask: Callable[..., Response]) -> None:
    response = ask("stall", timeout=60, deadline=2)  # the list of models has to come within it on a busy machine
    assert (response.transient, response.error) == (True, "server: no answer within 2 s")


@pytest.mark.parametrize("mode", ["redirect-307", "redirect-302"])
def test_a_redirect_is_refused_and_its_host_is_named(mode: str, ask: Callable[..., Response]) -> None:
    response = ask(mode)
    assert response.transient
    assert "it redirects to localhost:" in (response.error or "")
    assert not [path for path in Handler.seen if "stolen" in path]


def test_a_redirect_of_the_list_of_models_is_a_model_that_does_not_load(ask: Callable[..., Response]) -> None:
    with pytest.raises(ModelLoadError, match="redirects to localhost"):
        ask("m-redirect")
    assert not [path for path in Handler.seen if "stolen" in path]


def test_an_answer_without_end_and_a_packed_one_are_not_read(ask: Callable[..., Response]) -> None:
    assert ask("endless").error == "server: it gave an answer of more than 16 MiB"
    assert ask("packed").error == "server: it compressed its answer, which nobody asked for"


def test_a_server_that_stops_answering_is_not_asked_by_every_request(address: str) -> None:
    Handler.seen = []
    with closing(OpenAIEngine("a", base_url=f"{address}/half/v1", retries=0, concurrency=2)) as engine:
        answers = list(engine.generate([request_of(yes_no=False) for _ in range(50)]))
    assert len(answers) == 50
    assert all(answer.transient for answer in answers)
    assert len(Handler.seen) <= 4


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("m-html", "does not list its models"),
        ("m-json", "does not list its models"),
        ("m-null", "does not list its models"),
        ("m-big", "does not serve 'a'; it serves xxx"),
        ("m-terminal", "does not serve 'a'"),
    ],
)
def test_a_list_of_models_that_is_none_ends_with_5_and_one_line(
    mode: str, words: str, address: str, mine: Callable[[str], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert mine(f"{address}/{mode}/v1") == 5
    said = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(said) == 1
    assert words in said[0]
    assert "\x1b" not in said[0]
    assert len(said[0]) < 1000


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Mines two birds on a server of two models, in this process, with vectors of no model."""
    build = build_engine
    monkeypatch.setattr(host, "build_engine", lambda spec: FakeEncoder() if spec.kind == "clip" else build(spec))
    (tmp_path / "birds.txt").write_text("heron\nibis\n")

    def go(base_url: str, *arguments: str) -> int:
        args = f"args: {{retries: 0, timeout: {0.5 if 'drip' in base_url else 20}, concurrency: 4}}"
        (tmp_path / "server.yaml").write_text(
            f"llms: [{{name: a, path: a, {args}}}, {{name: b, path: b, {args}}}]\n"
            "clip: {path: 'package:syntrans_world/weights/clip'}\npropose: {samples: 1}\n"
            f"engine: {{kind: openai, base_url: '{base_url}', workers: 0}}\n"
        )
        config = ["--config", str(tmp_path / "server.yaml")]
        return command(["mine", *config, "--classes", str(tmp_path / "birds.txt"), *arguments])

    return go


MODES = {
    **dict.fromkeys(["good", "surrogate", "nul", "m-odd"], 0),
    **dict.fromkeys(["long-number", "deep", "deep-list", "number-text", "list-text", "no-message"], 5),
    **dict.fromkeys(["odd-error", "deep-error"], 5),
    **dict.fromkeys(["html", "half", "drip", "redirect-307"], 6),
}
"""With what mine ends: 0 where there is something to keep, 5 where a model gives nothing usable, 6 where asking the
server again may help."""


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "code"), MODES.items())
def test_mine_ends_with_rows_or_one_line_whatever_the_server_says(
    mode: str, code: int, address: str, mine: Callable[[str], int], artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mine(f"{address}/{mode}/v1") == code
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if "error:" in line]) == (code != 0)
    if code == 0:
        (file,) = artifacts.glob("mine/*/descriptors.parquet")
        assert [row for row in read_descriptors(file)[0] if row.kept]


def test_what_one_model_of_a_server_answers_badly_is_rows_with_their_reason(
    address: str, mine: Callable[[str], int], artifacts: Path
) -> None:
    assert mine(f"{address}/second-bad/v1") == 0
    (file,) = artifacts.glob("mine/*/descriptors.parquet")
    by_b = [row for row in read_descriptors(file)[0] if row.authors and row.authors[0].model == "b"]
    assert {(row.kept, row.reason) for row in by_b} == {(False, "engine_failed")}
    assert {row.authors[0].raw for row in by_b} == {"server: the text of its answer is a int"}


@pytest.fixture
def packages_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every package imports: trying them takes seconds in a process of its own, and is a test of test_doctor.py."""
    monkeypatch.setattr("syntrans_mining.packages.import_problems", lambda _: {})


@pytest.mark.slow
@pytest.mark.usefixtures("packages_import")
@pytest.mark.parametrize("mode", MODES)  # even the good one knows one schema only
def test_doctor_reports_whatever_the_server_says(
    mode: str,
    address: str,
    mine: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert mine(f"{address}/{mode}/v1", "--dry-run") == 0
    capsys.readouterr()
    assert command(["doctor", "--config", str(tmp_path / "server.yaml"), "--probe", "--json"]) == 4
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    marks = {check["name"]: check["mark"] for check in json.loads(out)["checks"]}
    assert marks["server"] == "ok"
    assert marks["a: answers in JSON"] == "fail"


@pytest.mark.usefixtures("packages_import")
def test_doctor_names_a_server_that_is_none(
    address: str, mine: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mine(f"{address}/m-html/v1", "--dry-run") == 0
    capsys.readouterr()
    assert command(["doctor", "--config", str(tmp_path / "server.yaml"), "--probe"]) == 4
    assert "does not list its models" in capsys.readouterr().out


def test_no_loopback_is_said_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLoopback(socket.socket):
        def bind(self, _: object) -> None:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    world = load_config(MiningConfig, "world", kind="mining/configs")
    models = resolve_models(world)
    monkeypatch.setattr(socket, "socket", NoLoopback)
    with pytest.raises(EnvironmentProblem, match=r"127\.0\.0\.1 cannot be used \(Cannot assign"):
        make_host(world, models, tmp_path)


def test_a_proxy_is_never_used_for_this_machine(
    address: str, ask: Callable[..., Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"{address}/proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask("good").error is None
    assert Handler.seen == ["/good/v1/models", "/good/v1/chat/completions"]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", True),
        ("model.localhost", True),
        ("localhost.", True),
        ("127.1", True),
        ("2130706433", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.1", False),
        ("127.1.example.org", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_what_this_machine_is_called(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_proxy_that_is_used_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://me:secret@proxy.example:3128")
    assert proxy_for("http://10.0.0.1:8000/v1") == "http://me:secret@proxy.example:3128"
    notice = proxy_notice("http://10.0.0.1:8000/v1") or ""
    assert "10.0.0.1 go through the proxy proxy.example:3128" in notice
    assert "secret" not in notice
    assert proxy_for("https://10.0.0.1/v1") is None
    monkeypatch.setenv("no_proxy", "10.0.0.1")
    assert proxy_notice("http://10.0.0.1:8000/v1") is None


@pytest.mark.parametrize(
    "args",
    [{"colour": 1}, {"timeout": "soon"}, {"timeout": float("inf")}, {"retries": -1}, {"concurrency": 0}],
)
def test_an_argument_that_the_engine_does_not_know_is_named(args: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"args of model 'a': {next(iter(args))}"):
        OpenAIEngine("a", base_url="http://127.0.0.1:9/v1", **args)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:99999/v1", "http://:80/v1", "nonsense", "ftp://127.0.0.1/v1"])
def test_an_address_that_is_none_is_a_model_that_does_not_load(base_url: str) -> None:
    with pytest.raises(ModelLoadError, match="cannot be asked"):
        OpenAIEngine("a", base_url=base_url, retries=0, timeout=2)
