"""Pictures that are easy to tell apart, and an encoder that sees their colour: tasks for the tests of `predict`."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from syntrans.cli.app import run
from syntrans_training.prediction.encoders.choose import OpenedEncoder
from syntrans_training.prediction.space import Space

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200)}


class ColourEncoder:
    """Features are the mean colour [3] and its products, so that like colours have like features."""

    name, dim, size, at_least = "colours", 9, 8, 16
    batch, in_threads = 32, False

    def prepare(self, picture: Image.Image) -> np.ndarray:
        square = picture.resize((self.size, self.size))
        return np.asarray(square, np.float32).transpose(2, 0, 1) / 255

    def forward(self, batch: np.ndarray | list[np.ndarray]) -> np.ndarray:
        mean = np.stack([*batch]).mean((2, 3)) - 0.4
        return np.concatenate([mean, mean**2, mean * np.roll(mean, 1, 1)], 1).astype(np.float32)


class Words:
    """Reads a colour's name as a one-hot vector, any other text as zeros."""

    def encode(self, texts):
        vectors = np.zeros((len(texts), 3), np.float32)
        for row, text in enumerate(texts):
            for i, colour in enumerate(COLOURS):
                vectors[row, i] = colour in text
        return vectors


def opened(text_reader=None) -> OpenedEncoder:
    encoder = ColourEncoder()
    swatches = np.stack([np.full((3, 8, 8), 0.0) + np.array(c)[:, None, None] / 255 for c in COLOURS.values()])
    directions = encoder.forward(swatches.astype(np.float32))
    return OpenedEncoder(encoder, Space(text=lambda vectors: vectors @ directions), text_reader, "as the test says")


def photo(colour: str, number: int, side: int = 12) -> bytes:
    """A PNG of noisy colour; another number, another picture."""
    rng = np.random.default_rng([number, *colour.encode()])
    pixels = np.array(COLOURS[colour]) + rng.normal(0, 12, (side, side, 3)) + rng.normal(0, 25, 3)
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, format="PNG")
    return out.getvalue()


def write_task(root: Path, shots: int, queries: int = 4) -> tuple[Path, Path]:
    """Folders `support` (one a colour) and `query` (flat) below `root`."""
    for colour in COLOURS:
        for number in range(shots + queries):
            name = f"support/{colour}/{number}.png" if number < shots else f"query/{colour}_{number}.png"
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(photo(colour, number))
    return root / "support", root / "query"


def predict(capsys: pytest.CaptureFixture[str], *arguments):
    """Exit code, rows of the CSV on stdout, what stderr says."""
    code = run(["predict", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, list(csv.DictReader(io.StringIO(out))), err
