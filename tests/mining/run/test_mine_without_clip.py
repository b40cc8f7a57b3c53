"""`clip: null`: mining from text alone, or with a vision-language model, where no CLIP and no torch is installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from openai_server import mine_arguments, serving

from syntrans.contract.reading import read_descriptors, read_semantics
from syntrans_mining.run.refilter import refilter

Configure: TypeAlias = Callable
Run: TypeAlias = Callable


def test_without_clip_every_row_says_that_clip_saw_nothing(run: Run, configure: Configure) -> None:
    result = run(configure(clip=None))
    rows, meta = read_descriptors(result.descriptors)
    assert {row.clip for row in rows} == {None}
    assert meta.notes["skipped"] == {"filter": "the config names no clip; only the budget applies"}
    assert any(row.kept for row in rows)


def test_without_clip_the_pictures_are_still_looked_at_and_no_class_is_taken_for_the_nearest(
    run: Run, configure: Configure
) -> None:
    rows, meta = read_descriptors(run(configure(clip=None)).descriptors)
    seen = [row.grounding for row in rows if row.grounding is not None]
    assert seen
    assert {grounding.contrast_class for grounding in seen} == {None}
    assert meta.images_seen


def test_without_clip_and_other_encoders_there_is_no_file_of_vectors(run: Run, configure: Configure) -> None:
    result = run(configure())
    assert result.semantics is not None
    again = run(configure(clip=None), out=result.descriptors.parent)
    assert again.semantics is None
    assert list(again.descriptors.parent.glob("semantics*")) == []


def test_without_clip_another_encoder_embeds_the_classes(run: Run, configure: Configure) -> None:
    result = run(configure(clip=None, compose={"encoders": [{"name": "mini", "path": "minilm"}]}))
    rows, _ = read_semantics(result.descriptors.parent / "semantics-mini.parquet")
    assert {row.encoder for row in rows} == {"minilm"}


def test_a_run_without_clip_can_be_decided_again(run: Run, configure: Configure, tmp_path: Path) -> None:
    before = run(configure(clip=None))
    after = refilter(before.descriptors.parent, ["filter.budget=1"], tmp_path / "again")
    rows, _ = read_descriptors(after.descriptors)
    assert sum(row.kept for row in rows) == len({row.class_id for row in rows})
    assert after.semantics is None


# In an environment in which torch and all that needs it cannot be found.
PROGRAM = """
import sys
from importlib.abc import MetaPathFinder

HIDDEN = {"torch", "torchvision", "open_clip", "timm", "transformers", "tokenizers", "vllm", "huggingface_hub"}

class Hide(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())
from syntrans.cli.app import run

code = run(sys.argv[1:])
assert not HIDDEN & set(sys.modules)
raise SystemExit(code)
"""


@pytest.mark.slow
def test_descriptors_are_mined_from_a_server_where_there_is_no_torch(tmp_path: Path) -> None:
    (tmp_path / "birds.txt").write_text("wren\nrobin\n")
    with serving() as address:
        command = [*mine_arguments(address), "--classes", "birds.txt", "--out", "run"]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    rows, meta = read_descriptors(tmp_path / done.stdout.strip())
    assert {row.class_name for row in rows if row.kept} == {"wren", "robin"}
    assert all(row.votes or len({author.model for author in row.authors}) == 3 for row in rows if row.kept)
    assert meta.notes["skipped"].keys() == {"ground", "filter"}
