"""`syntrans serve`: the page and its calls, with an encoder that sees colours; who may speak to it, and how much."""

import csv
import io
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from prediction_world import Words, opened, photo, write_task

from syntrans.cli.app import run
from syntrans.images import decode as image_decode
from syntrans_training.prediction import task
from syntrans_training.prediction.encoders.choose import LazyText

fastapi = pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("python_multipart", reason="the extra `serve` is not installed")
uvicorn = pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

from fastapi.testclient import TestClient  # noqa: E402

from syntrans_training.prediction.server import app as server_app  # noqa: E402
from syntrans_training.prediction.server import guard  # noqa: E402
from syntrans_training.prediction.server.app import create_app  # noqa: E402
from syntrans_training.prediction.server.session import Session, check_folder, upload  # noqa: E402

PORT = 8765
HOSTILE = "<img src=x onerror=alert(1)>.png"


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder at hand sees colours, and reads their names."""
    monkeypatch.setattr(task, "open_image_encoder", lambda _ref: opened(LazyText("words", Words)))


@pytest.fixture
def support(tmp_path: Path) -> Path:
    return write_task(tmp_path, shots=2)[0]


def client_of(support):
    request = task.TaskRequest(support)
    session = Session(task.open_task(request, request.supports()), support)
    return TestClient(create_app(session, PORT), base_url=f"http://127.0.0.1:{PORT}")


@pytest.fixture
def client(support: Path):
    return client_of(support)


def ask(client, *pictures, **keywords):
    return client.post("/predict", files=[("files", picture) for picture in pictures], **keywords)


def correct(client, data, name, file="x.png"):
    return client.post("/correct", files={"file": (file, data)}, data={"name": name})


def purple(number):
    """Between red and blue."""
    out = io.BytesIO()
    Image.new("RGB", (12, 12), (118 + number, 48, 120)).save(out, format="PNG")
    return out.getvalue()


def test_the_answers_are_those_of_predict(
    client, support: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = sorted((tmp_path / "query").iterdir())
    answers = ask(client, *[(path.name, path.read_bytes()) for path in queries]).json()["answers"]
    assert run(["predict", "--support", str(support), "--query", str(tmp_path / "query")]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [answer["path"] for answer in answers] == [path.name for path in queries]
    for answer, row in zip(answers, rows, strict=True):
        assert (answer["class"], answer["status"]) == (row["class"], row["status"])
        assert answer["probability"] == float(row["probability"])
        assert answer["nearest"][0][0] == row["nearest"].partition(" (")[0]


def test_a_correction_changes_the_next_answer_and_is_read_by_predict(
    client, support: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = purple(0)
    first = ask(client, ("odd.png", odd)).json()["answers"][0]["class"]
    other = {"blue": "red", "red": "blue"}[first]
    for number in range(1, 4):
        kept = correct(client, purple(number), other).json()["kept"]
        assert re.fullmatch(r"correction-[0-9a-f]{16}[.]png", kept.rpartition("/")[2])
    (answer,) = ask(client, ("odd.png", odd)).json()["answers"]
    assert answer["class"] == other
    assert answer["nearest"][0][0].startswith(str(support / other / "correction-"))
    (tmp_path / "odd.png").write_bytes(odd)
    assert run(["predict", "--support", str(support), "--query", str(tmp_path / "odd.png")]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["class"], float(row["probability"])) == (other, answer["probability"])


def test_a_second_correction_of_a_picture_takes_the_first_back_also_after_a_new_start(client, support: Path) -> None:
    odd = photo("blue", 50)
    correct(client, odd, "red")
    correct(client_of(support), odd, "green")
    correct(client, odd, "green")
    assert [path.parent.name for path in support.rglob("correction-*")] == ["green"]
    (answer,) = ask(client, ("odd.png", odd)).json()["answers"]
    assert [path.split("/")[-2] for path, _ in answer["nearest"] if "correction-" in path] == ["green"]


def test_a_broken_picture_a_bomb_and_a_text_are_answers_with_their_error(
    client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_decode, "MAX_PIXELS", 200)
    pictures = [("torn.png", photo("red", 1)[:60]), ("bomb.png", photo("red", 1, side=20)), ("a.txt", b"hello")]
    answers = ask(client, *pictures, ("fine.png", photo("red", 7))).json()["answers"]
    assert [answer["status"] == "broken" for answer in answers] == [True, True, True, False]
    assert "20x20" in answers[1]["error"]
    assert "a.txt is not a readable picture" in answers[2]["error"]


@pytest.mark.parametrize(
    ("data", "name", "why"), [(b"hello", "red", "not a readable picture"), (None, "../red", "is not known")]
)
def test_a_correction_that_cannot_be_is_refused_in_one_line_and_nothing_is_kept(
    data, name: str, why: str, client, support: Path
) -> None:
    reply = correct(client, photo("red", 9) if data is None else data, name)
    assert reply.status_code == 400
    assert why in reply.json()["detail"]
    assert list(support.rglob("correction-*")) == []


def test_a_form_that_lacks_a_field_or_has_text_for_a_file_is_refused(client) -> None:
    assert client.post("/correct", files={"file": ("a.png", photo("red", 9))}).status_code == 422
    assert client.post("/predict", data={"files": "text"}).status_code == 422
    assert client.post("/predict", json={"files": []}).status_code == 422


def test_a_full_disk_keeps_no_correction(client, support: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("syntrans.paths.os.replace", full)
    reply = correct(client, photo("blue", 50), "red")
    assert reply.status_code == 500
    assert "the disk is full" in reply.json()["detail"]
    assert len(list((support / "red").iterdir())) == 2
    assert "correction-" not in str(ask(client, ("a.png", photo("blue", 50))).json())


def test_a_first_correction_that_cannot_be_taken_back_is_said_in_one_line(
    client, monkeypatch: pytest.MonkeyPatch
) -> None:
    correct(client, photo("blue", 50), "red")

    def forbidden(*_, **__) -> None:
        raise PermissionError(13, "Permission denied", "red/correction-1.png")

    monkeypatch.setattr("pathlib.Path.unlink", forbidden)
    reply = correct(client, photo("blue", 50), "green")
    assert reply.status_code == 500
    assert "not permitted" in reply.json()["detail"] or "Permission denied" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": f"http://127.0.0.1:{PORT}"}, 200),
        ({"origin": f"http://localhost:{PORT}", "host": f"localhost:{PORT}"}, 200),
        ({"host": f"rebound.example:{PORT}"}, 421),
        ({"host": "127.0.0.1:1"}, 421),
        ({"origin": "http://other.example"}, 403),
        ({"origin": f"https://127.0.0.1:{PORT}"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_other_hosts_and_pages_of_other_sites_are_refused(headers, status: int, client) -> None:
    assert ask(client, ("a.png", photo("red", 9)), headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/", "/page.js", "/task", "/docs", "/openapi.json"])
def test_no_path_answers_another_host(path: str, client) -> None:
    assert client.get(path).status_code == 200
    assert client.get(path, headers={"host": "rebound.example"}).status_code == 421


def test_a_request_over_the_limit_is_refused_before_it_is_read(client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "REQUEST_BYTES", 100)
    assert ask(client, ("a.png", photo("red", 9))).status_code == 413
    assert client.post("/predict", content=iter([b"x"])).status_code == 411
    monkeypatch.undo()
    monkeypatch.setattr(server_app, "MAX_FILES", 1)
    assert ask(client, ("a.png", b"1"), ("b.png", b"2")).status_code == 413


def test_nothing_on_the_pages_is_from_elsewhere_and_the_browser_is_told_so(client) -> None:
    for path in ("/", "/page.css", "/page.js", "/docs"):
        reply = client.get(path)
        assert "//" not in re.sub(r"(?m)^\s*//.*|; // .*|, // .*", "", reply.text.replace("application/json", "")), path
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
    assert "POST /predict" in client.get("/docs").text
    assert {"/task", "/predict", "/correct"} == set(client.get("/openapi.json").json()["paths"])


def test_the_page_never_makes_html_from_text(client) -> None:
    script = client.get("/page.js").text
    assert "textContent" in script
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document[.]write|eval|srcdoc", script)


def test_file_names_stay_text_and_name_no_path(client, support: Path) -> None:
    (answer,) = ask(client, (f"../{HOSTILE}", photo("red", 9))).json()["answers"]
    assert "onerror" in answer["path"]
    before = set(support.parent.rglob("*"))
    correct(client, photo("red", 9), "red", file="../../evil.png")
    (new,) = set(support.parent.rglob("*")) - before
    assert new.parent == support / "red"


def test_supports_without_class_folders_are_refused(support: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--support", str(support / "red" / "0.png"), "--port", "0"]) == 3
    assert "Traceback" not in capsys.readouterr().err


def test_supports_that_corrections_cannot_be_written_to_are_said_at_once(
    support: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    check_folder(support, task.TaskRequest(support).supports())
    assert f"warning: no correction can be kept: cannot write {support}" in capsys.readouterr().err


def test_a_taken_port_is_one_line(support: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert run(["serve", "--support", str(support), "--port", str(port)]) == 4
    assert f"port {port} cannot be taken" in capsys.readouterr().err


def test_the_command_listens_on_this_machine_alone(
    support: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []

    def started(_server, sockets) -> None:
        seen.extend(one.getsockname() for one in sockets)
        socket.create_connection(seen[0]).close()  # the address was said: nobody who opens it is refused

    monkeypatch.setattr(uvicorn.Server, "run", started)
    assert run(["serve", "--support", str(support), "--port", "0"]) == 0
    ((host, port),) = seen
    assert host == "127.0.0.1"
    assert f"open http://127.0.0.1:{port}/" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sent", "shown"),
    [("two  blanks.jpg", "two  blanks.jpg"), ("a\nb", "a b"), (" ", "a picture"), (None, "a picture")],
)
def test_an_answer_names_the_file_as_the_sender_does(sent: str | None, shown: str) -> None:
    assert upload(sent, b"").origin == shown
