"""Write the golden files of the contract, tests/syntrans/contract/assets/*.parquet.

Usage: python tests/syntrans/contract/make_golden.py

Run it only when the contract changes on purpose: a difference in these files is a difference for every user.
The files of earlier versions, assets/v<N>/, stay as they were written.
"""

from __future__ import annotations

from pathlib import Path

from syntrans.contract.rows import (
    Author,
    Clip,
    DescriptorRow,
    FileMetadata,
    Grounding,
    SemanticsRow,
    Vote,
    descriptor_id,
)
from syntrans.contract.writing import write_descriptors, write_semantics

ASSETS = Path(__file__).resolve().parent / "assets"
META = FileMetadata(
    run_id="20260101-120000-ab12",
    config={"seed": 7, "llms": ["a", "b"]},
    class_list_sha256="0" * 64,
    prompt_sha256={"propose.v1": "1" * 64},
    model_revisions={"org/llm-a": "r1", "org/llm-b": "r2"},
    package_versions={"syntrans": "0.1.0", "vllm": "0.32.0"},
    images_seen=["2" * 64, "3" * 64],
    git_commit="4" * 40,
    notes={"skipped": {}},
)


def _author(model: str, sample: int, raw: str) -> Author:
    return Author(model=model, revision="r1", prompt="propose.v1", sample=sample, seed=7 + sample, raw=raw)


def rows() -> list[DescriptorRow]:
    """A kept row with everything, a kept one with as little as possible, and two dropped ones."""
    finch, crane = {"class_id": "n01531178", "class_name": "goldfinch"}, {"class_id": "crane", "class_name": "Crane"}
    return [
        DescriptorRow(
            **finch,
            descriptor_id=descriptor_id("n01531178", "a yellow body"),
            text="a yellow body",
            facet="colour",
            authors=[_author("org/llm-a", 0, "Yellow body"), _author("org/llm-b", 1, "a yellow body")],
            contrast_with="crane",
            votes=[Vote(model="org/llm-c", revision="r3", p_yes=0.9, p_calibrated=0.75)],
            agreement=0.966,
            grounding=Grounding(
                model="org/vlm",
                revision="r4",
                p_yes=0.8,
                p_yes_contrast=0.1,
                contrast_class="crane",
                images=["2" * 64, "3" * 64],
            ),
            clip=Clip(model="org/clip", similarity=0.31, margin=0.05, neighbour="crane", tokens=6, truncated=False),
            kept=True,
            rank=1,
            weight=0.75,
        ),
        DescriptorRow(
            **crane,
            descriptor_id=descriptor_id("crane", "long legs"),
            text="long legs",
            facet="part",
            authors=[_author("org/llm-a", 0, "long legs")],
            kept=True,
        ),
        DescriptorRow(
            **crane,
            descriptor_id=descriptor_id("crane", "a large bird"),
            text="a large bird",
            facet="size",
            authors=[_author("org/llm-b", 0, "a large bird")],
            votes=[Vote(model="org/llm-a", revision="r1", p_yes=0.25)],
            agreement=0.625,
            kept=False,
            stage="crosscheck",
            reason="no_agreement",
        ),
        DescriptorRow(
            **finch,
            descriptor_id=descriptor_id("n01531178", "Grüße, 日本, \N{ZERO WIDTH SPACE}\x1b[31mred"),
            text="Grüße, 日本, \N{ZERO WIDTH SPACE}\x1b[31mred",
            facet="other",
            authors=[_author("org/llm-b", 2, "line\nbreak\ttab")],
            kept=False,
            stage="merge",
            reason="duplicate_of",
            duplicate_of=descriptor_id("n01531178", "a yellow body"),
        ),
    ]


def semantics() -> list[SemanticsRow]:
    """Two classes, three numbers each."""
    named = {"encoder": "org/minilm", "encoder_revision": "r5"}
    return [
        SemanticsRow(
            class_id="n01531178",
            class_name="goldfinch",
            summary="a yellow body",
            n_kept=1,
            embedding=[0.6, 0.8, 0.0],
            **named,
        ),
        SemanticsRow(
            class_id="crane",
            class_name="Crane",
            summary="long legs",
            n_kept=1,
            embedding=[0.0, -1.0, 0.0],
            **named,
        ),
    ]


def main() -> None:
    """Write both files."""
    ASSETS.mkdir(exist_ok=True)
    write_descriptors(ASSETS / "descriptors.parquet", rows(), META)
    write_semantics(ASSETS / "semantics.parquet", semantics(), META)


if __name__ == "__main__":
    main()
