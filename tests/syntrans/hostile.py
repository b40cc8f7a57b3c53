"""Text that wants to do harm, and a ledger of it."""

from __future__ import annotations

from typing import Any

from syntrans.contract.rows import Author, Clip, DescriptorRow, Grounding, Vote, descriptor_id
from syntrans.text_safety import plain_text

HOSTILE = "</script><script>top.hurt=1</script><img src=x onerror='top.hurt=1'><!--{{7*7}}\"'&\u2028 סוף"
OVERRIDE = "\u202eright to left\u202c"
LONG = "w" * 10_000
REASONS = {"merge": "duplicate_of", "crosscheck": "no_agreement", "filter": "unlikely"}


SEEN = {"model": "v", "revision": "r", "p_yes": 0.8, "p_yes_contrast": 0.3, "contrast_class": "crow"}


def row(class_id: str, text: str, number: int, stage: str | None = None, **more: Any) -> DescriptorRow:
    return DescriptorRow(
        class_id=class_id,
        class_name=f"{class_id} {HOSTILE if class_id == 'wren' else OVERRIDE}",
        descriptor_id=descriptor_id(class_id, plain_text(text)),
        text=text,
        facet="colour",
        contrast_with="crow",
        authors=[Author(model=f"m/{HOSTILE}", revision="r", prompt=HOSTILE, sample=0, seed=0, raw=f"{text} {HOSTILE}")],
        votes=[Vote(model=name, revision="r", p_yes=p) for name, p in (("ann", 0.9), ("bob", 0.2 if stage else 0.7))],
        agreement=0.6,
        grounding=Grounding(**SEEN, images=["a" * 64]),
        clip=Clip(model="c", similarity=0.3, margin=-0.05, neighbour="crow", tokens=4, truncated=False),
        kept=stage is None,
        stage=stage,
        reason=stage and REASONS[stage],
        rank=None if stage else number,
        weight=None if stage else 0.5,
        **more,
    )  # fmt: skip


def ledger() -> list[DescriptorRow]:
    """Two kept rows of a wren, one of a crow, and four that were dropped."""
    rows = [row("wren", "a cocked tail", 1), row("wren", HOSTILE, 2), row("crow", "black", 1)]
    dropped = [row("wren", LONG, 0, "filter"), row("wren", OVERRIDE, 0, "crosscheck"), row("crow", "tiny", 0, "filter")]
    return [*rows, *dropped, row("crow", "black all over", 0, "merge", duplicate_of=rows[2].descriptor_id)]
