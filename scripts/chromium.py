"""A page in headless Chromium, spoken to over its DevTools protocol: for tests, timings and the pictures of docs/.

Usage: python scripts/chromium.py PAGE.html OUT.png [WIDTHxHEIGHT] [light|dark] [JAVASCRIPT]

Takes a picture of a page in a file, after the script has run in it. Debian has the browser as the package chromium.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ABSENT = "no Chromium here; Debian has it as the package chromium"
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
)  # fmt: skip
_DOMAINS = ("Page", "Runtime", "Log", "Network")
SECONDS = 60


class Page:
    """One tab. ``events`` is what the browser told meanwhile."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._calls = connection, 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A call of the protocol, and its result."""
        self._calls += 1
        self._connection.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while (answer := json.loads(self._connection.recv(timeout=SECONDS))).get("id") != self._calls:
            self.events.append(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def js(self, expression: str) -> Any:
        """The value of a script; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until a script gives something true."""
        end = time.monotonic() + SECONDS
        while not self.js(expression):
            assert time.monotonic() < end, f"{expression}: {self.js('document.body.innerText')}"
            time.sleep(0.05)

    def open(self, url: str, *, width: int = 1280, height: int = 900) -> None:
        """Load a page, with what it does on record."""
        for domain in _DOMAINS:
            self.call(f"{domain}.enable")
        self.size(width, height)
        self.call("Page.navigate", url=url)
        self.wait(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url)})")

    def size(self, width: int, height: int) -> None:
        """A window of this size; a narrow one is a phone's."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def scheme(self, name: str) -> None:
        """Light or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def press(self, key: str, code: int) -> None:
        """A key of the keyboard."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def choose(self, selector: str, files: list[Path]) -> None:
        """Choose files in a field of a form."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(file) for file in files], nodeId=node)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, fromSurface=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def asked(self) -> list[str]:
        """The addresses of all requests."""
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def wrong(self) -> list[dict[str, Any]]:
        """Exceptions, and whatever the browser wrote to its console."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [e for e in self.events if e["method"] in kinds and "favicon" not in str(e)]


@contextmanager
def browser() -> Iterator[Page]:
    """A fresh browser with one empty tab."""
    from websockets.sync.client import connect

    assert BROWSER is not None, ABSENT
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [BROWSER, *_OPTIONS, f"--user-data-dir={folder}", "about:blank"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                address = _address(Path(folder) / "DevToolsActivePort")
                # No pings: a thread would draw them from `random`, and tests that Hypothesis draws for see it move.
                with connect(address, max_size=2**28, ping_interval=None) as connection:
                    yield Page(connection)
            finally:
                process.terminate()


def _address(told: Path) -> str:
    """Where the first tab listens, once the browser has written its port."""
    end = time.monotonic() + SECONDS
    while not (told.is_file() and told.read_text(encoding="ascii").strip()):
        assert time.monotonic() < end, "Chromium does not start"
        time.sleep(0.1)
    port = told.read_text(encoding="ascii").split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as reply:
        tabs = json.load(reply)
    return str(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))


def main(page: str, out: str, size: str = "1280x900", scheme: str = "light", script: str = "") -> None:
    """Write the picture."""
    width, height = map(int, size.split("x"))
    with browser() as tab:
        tab.scheme(scheme)
        tab.open(Path(page).resolve().as_uri(), width=width, height=height)
        if script:
            tab.js(script)
            time.sleep(0.5)  # for what is drawn after a change of size
        tab.picture(Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
