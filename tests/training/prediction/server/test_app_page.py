"""The page of `syntrans serve` in a real browser: pictures in, names out, one corrected. Skipped without Chromium."""

import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from chromium import ABSENT, BROWSER, browser
from PIL import Image
from prediction_world import Words, opened, write_task

from syntrans_training.prediction import task
from syntrans_training.prediction.encoders.choose import LazyText

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=ABSENT),
]
uvicorn = pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("websockets.sync.client", reason="websockets speaks to the browser")

from syntrans_training.prediction.server.app import create_app  # noqa: E402
from syntrans_training.prediction.server.run import bound  # noqa: E402
from syntrans_training.prediction.server.session import Session  # noqa: E402

HOSTILE = "<img src=x onerror=alert(1)>.png"
HOSTILE_CLASS = "<i onclick=alert(1)>"


@contextmanager
def served(support):
    request = task.TaskRequest(support)
    session = Session(task.open_task(request, request.supports()), support)
    with bound(0) as listener:
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(create_app(session, port), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.should_exit = True
            thread.join()


def test_pictures_are_named_and_corrected_with_the_keyboard_at_phone_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "open_image_encoder", lambda _ref: opened(LazyText("words", Words)))
    support, query = write_task(tmp_path, shots=2, queries=1)
    (query / HOSTILE).write_bytes(b"hello")
    (support / HOSTILE_CLASS).mkdir()
    Image.new("RGB", (12, 12), "white").save(support / HOSTILE_CLASS / "white.png")
    with served(support) as url, browser() as page:
        page.open(url, width=360, height=740)
        page.wait("task !== null")
        page.choose("#files", sorted(query.iterdir()))
        page.wait("document.getElementById('status').textContent.startsWith('4 pictures: ')")

        names = page.js("[...document.querySelectorAll('.card h2')].map((one) => one.textContent)")
        assert [name.split()[0] for name in names] == ["No", "blue", "green", "red"]
        assert HOSTILE in page.js("document.querySelector('.card').innerText")
        assert page.js("document.querySelectorAll('[onerror], [onclick]').length") == 0

        page.js("document.querySelector('.card:nth-child(2) summary').focus()")
        page.press("Tab", 9)
        assert page.js("document.activeElement.textContent") == HOSTILE_CLASS
        page.press("Tab", 9)
        page.press("Tab", 9)
        page.press("Enter", 13)
        page.wait("document.querySelector('.kept') !== null && document.activeElement.ariaPressed === 'true'")
        assert [path.parent.name for path in support.rglob("correction-*")] == ["green"]

        colours = []
        for scheme in ("light", "dark"):
            page.scheme(scheme)
            assert page.js("document.documentElement.scrollWidth") <= 360
            colours.append(page.js("getComputedStyle(document.body).backgroundColor"))
        assert colours[0] != colours[1]

        assert [address for address in page.asked() if not address.startswith((url, "blob:"))] == []
        assert page.wrong() == []
