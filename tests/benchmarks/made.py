"""What a benchmark measures, in small: drawn pictures, descriptors of the world, a finished training on it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from syntrans.cli.app import run
from syntrans.contract.rows import DescriptorRow, FileMetadata, descriptor_id
from syntrans.contract.writing import write_descriptors


def world_descriptors(folder: Path) -> Path:
    """One true and one dropped statement of every class of the world."""
    from syntrans_world.spec import CLASSES, PHRASES

    rows: list[DescriptorRow] = []
    for entry in CLASSES:
        for slot, value in list(entry.truth().items())[:2]:
            text = PHRASES[slot][value][0]
            kept = not rows or rows[-1].class_id != entry.id
            rows.append(
                DescriptorRow(
                    class_id=entry.id,
                    class_name=entry.name,
                    descriptor_id=descriptor_id(entry.id, text),
                    text=text,
                    facet="other",
                    authors=[],
                    kept=kept,
                    stage=None if kept else "ground",
                    reason=None if kept else "not_seen",
                    weight=1.0 if kept else None,
                )
            )
    return write_descriptors(folder / "w.parquet", rows, FileMetadata(run_id="t", class_list_sha256="0" * 64))


def fine_descriptors(folder: Path) -> Path:
    """What the header of cmkd-world.yaml makes and imports."""
    from syntrans_world.fine import descriptions

    told = folder / "world-fine.jsonl"
    told.write_text("".join(f"{line}\n" for line in descriptions("shape")))
    assert run(["import", str(told), "--format", "jsonl", "--out", str(folder / "fine")]) == 0
    return folder / "fine" / "descriptors.parquet"


def demo(folder: Path, settings: list[str]) -> Path:
    """What `syntrans demo` leaves, of made-up features and imported descriptors: a true and a false one a class."""
    from syntrans_world.spec import CLASSES, PHRASES

    told = {}
    for entry in CLASSES:
        shape = entry.truth()["shape"]
        other = next(value for value in PHRASES["shape"] if value != shape)
        told[entry.name] = [PHRASES["shape"][value][0] for value in (shape, other)]
    source = folder / "told.json"
    source.write_text(json.dumps(told))
    imported = ["import", str(source), "--format", "cupl", "--classes", "world", "--out", str(folder / "mine")]
    assert run(imported) == 0
    rng = np.random.default_rng(0)
    for part in ("base", "val", "novel"):
        names = [entry.name for entry in CLASSES if entry.split == part for _ in range(12)]
        table = {"class": names, "feature": list(rng.normal(size=(len(names), 8)).astype(np.float32))}
        pq.write_table(pa.table(table), folder / f"{part}.features.parquet")
    trained = ["train", str(folder / "mine" / "descriptors.parquet"), "--config", "world"]
    own = [f"data.path={folder}", "encoder.method=precomputed"]
    changed = [argument for setting in [*settings, *own, "vsbird.controls=false"] for argument in ("--set", setting)]
    assert run([*trained, *changed, "--out", str(folder / "train")]) == 0
    return folder


def caltech(folder: Path) -> Path:
    """A folder like Caltech-101's: 15 novel classes of a colour each, 17 pictures a class, two sentences of each."""
    rng = np.random.default_rng(0)
    names, pictures = [f"thing {letter}" for letter in "abcdefghijklmno"], []
    for _ in names:
        colour = rng.integers(40, 215, 3)
        for _ in range(17):  # a task takes one support and 15 queries, and 75 pictures of the classes beside its ten
            out = io.BytesIO()
            pixels = (colour + rng.normal(0, 30, (24, 24, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(out, format="JPEG")
            pictures.append({"bytes": out.getvalue(), "path": None})
    folder.mkdir()
    labels = [name for name in names for _ in range(17)]
    pq.write_table(pa.table({"image": pictures, "class": labels}), folder / "novel.parquet")
    told = {name: [f"A {name} has a colour.", f"A {name} is flat."] for name in names}
    (folder / "cupl_descriptions.json").write_text(json.dumps(told))
    return folder
