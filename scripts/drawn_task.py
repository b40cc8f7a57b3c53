"""A few drawn pictures and an encoder that sees their colour: what installed wheels are tried with."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = ("red", "green", "blue")
SIDE = 16  # of the encoder's pictures


def write_pictures(folder: Path) -> None:
    """`folder`/known/<colour> with two pictures each, and `folder`/new with one of each colour, named after it."""
    for colour in COLOURS:
        for number, place in enumerate((f"known/{colour}/1.png", f"known/{colour}/2.png", f"new/{colour}.png")):
            picture = Image.new("RGB", (96, 96), "white")
            edge = 12 + 6 * number
            ImageDraw.Draw(picture).ellipse((edge, edge, 84, 84), fill=colour)
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            picture.save(folder / place)


def write_encoder(path: Path) -> None:
    """An ONNX file by hand, whose one operation gives the mean colour of a picture [n, 3, SIDE, SIDE]."""
    node = _field(1, "x") + _field(2, "y") + _field(4, "GlobalAveragePool")
    taken, given = _tensor("x", SIDE), _tensor("y", 1)
    graph = _field(1, node) + _field(2, "g") + _field(11, taken) + _field(12, given)
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13)))


def _tensor(name: str, side: int) -> bytes:
    dims = b"".join(_field(1, _field(2, d) if isinstance(d, str) else _field(1, d)) for d in ("n", 3, side, side))
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))


def _field(number: int, value: int | str | bytes) -> bytes:
    """One field of a protocol buffer: a number below 128, or fewer than 128^2 bytes with their length."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    raw = value.encode() if isinstance(value, str) else value
    length = len(raw)
    size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    return bytes([number << 3 | 2]) + size + raw
