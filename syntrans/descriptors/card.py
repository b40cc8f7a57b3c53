"""The card of a packed run: YAML front matter that the Hugging Face Hub reads, and a page for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from syntrans.text_safety import plain_text

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
COLUMNS = {
    "class_id": "stable id of the class",
    "class_name": "its name",
    "descriptor_id": "16 hex of sha256 over class id and normalised text",
    "text": "one statement about how the class looks",
    "facet": "shape, colour, texture, part, material, size, pose, context or other",
    "contrast_with": "id of the class from which it was asked to tell this one apart",
    "authors": "who said it, in which words: model, revision, prompt, sample, seed, raw",
    "votes": "each judge's P(yes), and what that is worth after calibration; never an author's own",
    "agreement": "mean of votes and authorship, 0 to 1; null if nobody was asked",
    "grounding": "P(yes) of the vision-language model on pictures of the class, and of its most confusable class",
    "clip": "cosine similarity to pictures of the class, and its lead over the nearest other class",
    "kept": "whether it was accepted",
    "stage": "where it was dropped",
    "reason": "why it was dropped",
    "duplicate_of": "the row that says the same and has its authors",
    "rank": "place among the accepted of its class, from 1",
    "weight": "its share among the accepted of its class",
}
# What opens markup, ends a table's cell, or makes a link of an address or a name.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&@]|(?<=:)/(?=/)|(?<=www)\.)")


def card(facts: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> str:
    """The whole ``README.md``. ``parts`` are the configs: name, file, rows, what; the first is the default."""
    template = _environment().from_string((Path(__file__).parent / "card.md.jinja").read_text(encoding="utf-8"))
    front = yaml.safe_dump(_front_matter(facts, parts), sort_keys=False, allow_unicode=True)
    body = template.render(facts, parts=parts, columns=COLUMNS)
    return f"---\n{front}---\n{body.rstrip()}\n"


def markdown(value: object) -> str:
    """Any text as text: nothing in it is markup, a link, or the end of a table's cell."""
    return _SPECIAL.sub(r"\\\1", plain_text(value))


def _front_matter(facts: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    licences = sorted({model["licence"] for model in facts["models"] if model["licence"]})
    rows = sum(part["rows"] for part in parts if part["name"] in {"accepted", "rejected"})
    size = next((name for limit, name in SIZES if rows < limit), "1M<n<10M")
    made_by = "machine-generated" if facts["mined"] else "found"
    return {
        "pretty_name": plain_text(facts["name"]),
        **({"language": ["en"]} if facts["english"] else {}),
        "license": licences if licences and not facts["licences_missing"] else "unknown",
        "annotations_creators": [made_by],
        "language_creators": [made_by],
        "source_datasets": ["original" if facts["mined"] else f"extended|other-{facts['imported_from']}"],
        "size_categories": [size],
        "task_categories": ["zero-shot-image-classification"],
        "tags": ["visual-descriptors", "few-shot", "syntrans", *(["synthetic"] if facts["mined"] else [])],
        "configs": [
            {
                "config_name": part["name"],
                **({"default": True} if number == 0 else {}),
                "data_files": [{"split": "train", "path": part["file"]}],
            }
            for number, part in enumerate(parts)
        ],
    }


def _environment() -> Any:
    from jinja2 import Environment, StrictUndefined

    # No autoescaping: this is Markdown, where `md` does it.
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
    environment.filters["md"] = markdown
    environment.filters["code"] = lambda text: plain_text(text).replace("`", "'")
    environment.filters["count_of"] = lambda n, one, many: f"{n:,} {one if n == 1 else many}"
    return environment
