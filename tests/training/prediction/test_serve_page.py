"""The page of `syntrans serve` in a real browser: pictures in, names out, one corrected. Skipped without Chromium."""

import json
import shutil
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager

import pytest
from PIL import Image
from prediction_world import Words, sight, write_task

from syntrans_training.prediction import task
from syntrans_training.prediction.encoders.choose import LazyText

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here; Debian has it as the package chromium"),
]
uvicorn = pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
websockets = pytest.importorskip("websockets.sync.client", reason="websockets speaks to the browser")

from syntrans_training.prediction.server.app import create_app  # noqa: E402
from syntrans_training.prediction.server.run import bound  # noqa: E402
from syntrans_training.prediction.server.session import Session  # noqa: E402

HOSTILE = "<img src=x onerror=alert(1)>.png"
HOSTILE_CLASS = "<i onclick=alert(1)>"


class Page:
    """One tab, spoken to over the DevTools protocol; `events` is what the browser told meanwhile."""

    def __init__(self, connection):
        self._connection, self._calls, self.events = connection, 0, []

    def call(self, method, **parameters):
        self._calls += 1
        self._connection.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while (found := json.loads(self._connection.recv(timeout=30))).get("id") != self._calls:
            self.events.append(found)
        assert "error" not in found, found
        return found["result"]

    def js(self, expression):
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait(self, expression):
        end = time.monotonic() + 30
        while not self.js(expression):
            assert time.monotonic() < end, f"{expression}: {self.js('document.body.innerText')}"
            time.sleep(0.1)

    def choose(self, files):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector="#files")["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(file) for file in files], nodeId=node)

    def press(self, key, code):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)


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


@contextmanager
def browser(folder):
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
    command = [BROWSER, *options, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            told, end = folder / "DevToolsActivePort", time.monotonic() + 60
            while not (told.is_file() and told.read_text().strip()):
                assert time.monotonic() < end, "Chromium does not start"
                time.sleep(0.1)
            with urllib.request.urlopen(f"http://127.0.0.1:{told.read_text().split()[0]}/json") as reply:
                tabs = json.load(reply)
            address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            with websockets.connect(address, max_size=2**26) as connection:
                yield Page(connection)
        finally:
            process.terminate()


def test_pictures_are_named_and_corrected_with_the_keyboard_at_phone_width(tmp_path, monkeypatch):
    monkeypatch.setattr(task, "open_sight", lambda _ref: sight(LazyText("words", Words)))
    support, query = write_task(tmp_path, shots=2, queries=1)
    (query / HOSTILE).write_bytes(b"hello")
    (support / HOSTILE_CLASS).mkdir()
    Image.new("RGB", (12, 12), "white").save(support / HOSTILE_CLASS / "white.png")
    with served(support) as url, browser(tmp_path / "profile") as page:
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
        page.call("Page.navigate", url=url)
        page.wait("document.readyState === 'complete' && task !== null")
        page.choose(sorted(query.iterdir()))
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
            page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            assert page.js("document.documentElement.scrollWidth") <= 360
            colours.append(page.js("getComputedStyle(document.body).backgroundColor"))
        assert colours[0] != colours[1]

        asked = [e["params"]["request"]["url"] for e in page.events if e["method"] == "Network.requestWillBeSent"]
        assert [address for address in asked if not address.startswith((url, "blob:"))] == []
        wrong = [e for e in page.events if e["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]
        assert wrong == []
