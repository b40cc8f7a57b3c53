"""One run of each kind, with hostile text in every field that others write."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from chromium import Page, browser
from hostile import HOSTILE, ledger
from PIL import Image

from syntrans.contract.imagined import ImaginedRow, write_imagined
from syntrans.contract.rows import FileMetadata
from syntrans.contract.writing import write_descriptors
from syntrans.files.sealed_json import sealed_json
from syntrans.files.sealed_parquet import write_sealed
from syntrans.views.report.page import render_page
from syntrans.views.report.runs import parts_of

CURVE = [[0.0, 0.5], [0.5, 0.7], [1.0, 0.6]]
CHOICE = {"variant": "unnamed", "shots": 1, "alpha": 0.5, "val": 0.7, "curve": CURVE}
CONTROL = {"variant": HOSTILE, "shots": 1, "alpha": 1.0, "val": 0.5, "curve": [[0.0, 0.2], [1.0, 0.3]]}
EDIT: dict[str, Any] = dict.fromkeys(("author", "at", "class_id", "descriptor_id", "text", "why"), HOSTILE)
EDIT |= {"action": "veto", "facet": "other", "joined": False}
EDIT |= {"before": {"kept": False, "stage": HOSTILE, "reason": HOSTILE, "rank": None, "weight": None}}


@pytest.fixture
def mined(tmp_path: Path) -> Path:
    meta = FileMetadata(
        run_id="20260101-120000-ab12",
        config={"seed": 0, "llms": [{"name": HOSTILE, "path": HOSTILE, "licence": HOSTILE}]},
        class_list_sha256="0" * 64,
        prompt_sha256={HOSTILE: "1" * 64},
        model_revisions={HOSTILE: HOSTILE},
        package_versions={"syntrans": HOSTILE},
        notes={"skipped": {"lint": HOSTILE}, "edit_of": HOSTILE, "edits": [EDIT]},
    )
    folder = tmp_path / "mine"
    write_descriptors(folder / "descriptors.parquet", ledger(), meta)
    models = {HOSTILE: {"asked": 7, "from_journal": 0, "failed": 0, "prompt_tokens": 1, "completion_tokens": 2}}
    stages = {"crosscheck": {"seconds": 1.5, "models": models}}
    (folder / "run.json").write_text(sealed_json({"run_id": "x", "stages": stages, "wall_seconds": 2.0}))
    line = {"stage": HOSTILE, "model": HOSTILE, "messages": [{"role": "user", "text": HOSTILE, "picture": True}]}
    (folder / "prompts.jsonl").write_text(json.dumps({**line, "answer": HOSTILE, "p_yes": None}) + "\nno line\n")
    return folder


@pytest.fixture
def imagined(tmp_path: Path) -> Path:
    folder = tmp_path / "imagine"
    folder.mkdir()
    rows = [
        ImaginedRow(
            class_id="w1", class_name=HOSTILE, picture_id=str(i), prompt=HOSTILE, descriptor_ids=(), seed=i, image=None,
            latent=None, similarity=None, margin=None, neighbour=None, reason=reason, model=HOSTILE, revision=HOSTILE,
        )
        for i, reason in enumerate((None, None, "other_class"))
    ]  # fmt: skip
    write_imagined(folder / "imagined.parquet", rows, {})
    Image.new("RGB", (8, 8)).save(folder / "contact_sheet.png")
    report = {
        "config": {"seed": 0}, "descriptors": {"path": HOSTILE, "sha256": "0"}, "pictures": 3, "kept": 2,
        "model": {"name": HOSTILE, "revision": HOSTILE, "licence": HOSTILE}, "reasons": {"other_class": 1},
        "seconds": {"make": 1.0}, "made_by": {"command": HOSTILE},
    }  # fmt: skip
    (folder / "run.json").write_text(sealed_json(report))
    return folder


@pytest.fixture
def evaluated(tmp_path: Path) -> Path:
    folder = tmp_path / "evaluate"
    folder.mkdir()
    result: dict[str, Any] = {"mean": 60.0, "half_width": 1.0, "image_half_width": 2.0, "n": 4, "ece": 0.03}
    result |= {"temperature": 1.2}
    result["reliability"] = [[0, 0.0, 0.0], [4, 0.5, 0.4], [6, 0.9, 0.8]]
    rows, names = ("visual_only", "syntrans", HOSTILE), ("wren", HOSTILE)
    summary = {
        "episodes": {"ways": 2, "queries": 5, "episodes": 4, "seed": 0, "dropped": {"1": 0}, "seen_queries": "exclude"},
        "data": {"classes": 2, "images": 40, "path": HOSTILE, "looks_at_novel": 3, "seen_by_mining": 4},
        "groups": {"visual_only": "visual", "syntrans": "semantic", HOSTILE: HOSTILE},
        "results": {"1": dict.fromkeys(rows, result)},
        "contrasts": {"1": {"syntrans - visual_only": {"mean": 2.0, "half_width": 1.0, "verdict": HOSTILE}}},
        "per_class": {"1": {name: {"visual_only": 50.0, "syntrans": None, HOSTILE: 70.0} for name in names}},
        "chosen": {
            "methods": [{"method": HOSTILE, "shots": 1, "setting": {HOSTILE: 1}, "val": 0.5, "trials": [{}]}],
            "bridge": [CHOICE, CONTROL],
            "choices": [{"variant": HOSTILE, "shots": 1, "lam": 1.0}],
        },
        "checkpoint": HOSTILE,
        "made_by": {"command": HOSTILE, "git_commit": HOSTILE, "hardware": {"processor": HOSTILE}},
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    accuracy = [0.4, 0.6, 0.6, 0.8]
    columns = {"shots": pa.array([1] * 4, pa.int32()), "episode": pa.array(range(4), pa.int32())}
    write_sealed(folder / "accuracies.parquet", pa.table(columns | dict.fromkeys(rows, accuracy)))
    pairs = {"shots": [1, 1], "row": ["syntrans"] * 2, "true": ["wren"] * 2, "predicted": [HOSTILE, "wren"]}
    write_sealed(folder / "confusion.parquet", pa.table({**pairs, "queries": [3, 7]}))
    return folder


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    folder = tmp_path / "train"
    folder.mkdir()
    report = {
        "config": {"data": {"path": HOSTILE}},
        "seed": 0,
        "seconds": {"encoder": 3.0},
        "data": {"base": {"images": 9, "classes": 1, "names": [HOSTILE]}},
        "encoder": {"backbone": HOSTILE},
        "bridge": {"choices": [{"variant": HOSTILE, "shots": 1, "lam": 0.1}], "text_encoder": {"name": HOSTILE}},
        "vsbird": {"choices": [CHOICE, CONTROL]},
        "methods": {"choices": []},
        "made_by": {"command": HOSTILE},
    }
    (folder / "train.json").write_text(json.dumps(report))
    lines = [{"epoch": n, "loss": 2.0 / n, "lr": 0.1, "note": HOSTILE} for n in (1, 2, 3)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"epoch": ')
    return folder


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    (tmp_path / "query").mkdir()
    Image.new("RGB", (64, 48), "red").save(tmp_path / "query" / "red.png")
    (tmp_path / "query" / "broken.png").write_bytes(b"hello")

    def answer(name: str, status: str, **more: Any) -> dict[str, Any]:
        rest = {"guarantee": 0.95, "nearest": [[HOSTILE, 0.5]], "text_share": 0.2, "speaks_for": [[HOSTILE, 0.1]]}
        named = {"path": str(tmp_path / "query" / name), "status": status, "class": HOSTILE, "probability": 0.7}
        sets = {"top": [[HOSTILE, 0.7], ["wren", 0.3]], "prediction_set": [HOSTILE, "wren"]}
        return {**named, **sets, **rest, "speaks_against": [], "disagreement": HOSTILE, "error": "", **more}

    nothing = {"class": None, "probability": None, "top": [], "prediction_set": [], "error": HOSTILE}
    answers = [answer("red.png", "unsure"), answer("red.png", "named", disagreement=""), answer("gone.png", "named")]
    answers.append(answer("broken.png", "broken", **nothing))
    (tmp_path / "names.jsonl").write_text("".join(json.dumps(one) + "\n" for one in answers))
    return tmp_path / "names.jsonl"


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    """What `syntrans report TRAINING --figure all` leaves."""
    folder = tmp_path / "figures"
    folder.mkdir()
    curve = {"split": "novel", "shots": 1, "chosen": {"alpha": 0.5, "mean": 60.0}}
    (folder / "alpha.json").write_text(json.dumps({"checkpoint": HOSTILE, "curves": [curve]}))
    number = {"shots": 1, "weights": "visual", "alpha": 0.0, "silhouette": 0.3}
    (folder / "weights.json").write_text(json.dumps({"checkpoint": HOSTILE, "numbers": [number]}))
    points = {"split": ["novel"] * 3, "shots": [1] * 3, "alpha": [0.0, 0.5, 1.0], "accuracy": [0.5, 0.6, 0.4]}
    write_sealed(folder / "alpha.parquet", pa.table({**points, "half_width": [0.01] * 3, "episodes": [30] * 3}))
    plane = {"x": [0.1, 0.2, 0.9], "y": [0.5, 0.4, 0.1], "class": ["wren", "wren", HOSTILE]}
    write_sealed(folder / "weights.parquet", pa.table({"shots": [1] * 3, "weights": ["visual"] * 3, **plane}))
    return folder


@pytest.fixture
def flier_evaluated(tmp_path: Path) -> Path:
    folder = tmp_path / "flier-evaluate"
    folder.mkdir()
    row = {"mean": 60.0, "half_width": 1.0, "n": 4, "seeds": [59.0, 61.0]}
    summary = {
        "system": "flier",
        "protocol": {"ways": 2, "test": 4, "shots": [1], "seeds": 2},
        "data": {"path": HOSTILE, "seen_by_mining": 1, "looks_at_novel": 1},
        "groups": {"flier": "flier", "pixels_only": "controls", HOSTILE: HOSTILE},
        "results": {"1": {"flier": row, "pixels_only": row, HOSTILE: row}},
        "contrasts": {"1": {"flier - pixels_only": {"mean": -0.1, "half_width": 0.5, "verdict": HOSTILE}}},
        "per_class": {"1": {"wren": {"flier": 50.0, "pixels_only": 40.0, HOSTILE: None}, HOSTILE: {"flier": 70.0}}},
        "chosen": {"1": {"flier": {"fusion": 0.1}, HOSTILE: {HOSTILE: 1}}},
        "checkpoint": HOSTILE,
        "made_by": {"command": HOSTILE},
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    pairs = {"shots": [1], "row": ["flier"], "true": ["wren"], "predicted": [HOSTILE], "queries": [3]}
    write_sealed(folder / "confusion.parquet", pa.table(pairs))
    return folder


@pytest.fixture
def flier_trained(tmp_path: Path) -> Path:
    folder = tmp_path / "flier-train"
    folder.mkdir()
    chosen = {"setting": {"fusion": 0.1}, "accuracy": 72.5, "tried": [{"fusion": 0.1, "accuracy": 72.5}]}
    report = {
        "config": {"data": {"path": HOSTILE}, "clip": HOSTILE, "seed": 0},
        "descriptors": {"path": HOSTILE, "sha256": HOSTILE},
        "imagined": {"path": HOSTILE, "sha256": HOSTILE},
        "val": {"classes": 1, "test": 4, "names": [HOSTILE]},
        "choices": {"1": {"flier": chosen, HOSTILE: chosen}},
        "seconds": {"tasks": 1.0},
        "made_by": {"command": HOSTILE},
    }
    (folder / "flier.json").write_text(json.dumps(report))
    return folder


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """A run that has not finished."""
    folder = tmp_path / "running"
    folder.mkdir()
    (folder / "legs.json").write_text(json.dumps({HOSTILE: 1.0}))
    (folder / "metrics.jsonl").write_text(json.dumps({"epoch": 1, f"loss {HOSTILE}": 2.0}) + "\n")
    with closing(sqlite3.connect(folder / "journal.sqlite")) as store, store:
        store.execute("create table answers (stage text, model text)")
        store.execute("insert into answers values (?, ?)", (HOSTILE, HOSTILE))
    return folder


@pytest.fixture(scope="session")
def tab() -> Iterator[Page]:
    """One browser for all tests of pages."""
    pytest.importorskip("websockets.sync.client", reason="websockets speaks to the browser")
    with browser() as page:
        yield page


@pytest.fixture
def runs(request: pytest.FixtureRequest) -> list[Path]:
    """One of each kind."""
    names = ("mined", "evaluated", "trained", "figures", "predicted", "flier_evaluated", "flier_trained", "running")
    return [request.getfixturevalue(name) for name in names]


@pytest.fixture
def page(tab: Page, runs: list[Path], tmp_path: Path) -> Page:
    file = tmp_path / "report.html"
    file.write_text(render_page(parts_of(runs, unfinished=True)), encoding="utf-8")
    tab.events.clear()
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "saved"))
    tab.scheme("light")
    tab.open(file.as_uri())
    return tab
