"""Published accuracies beside ours: the data of published.yaml, as a table for one data set and as a page."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from syntrans.tables import add_row, as_text, fitted, table, width_of

DATASETS = {
    "mini": "miniImageNet",
    "tiered": "tieredImageNet",
    "cifar-fs": "CIFAR-FS",
    "fc100": "FC100",
    "cub": "CUB",
}


_HEAD = """Written by `make docs` from `evaluation/published.yaml` of the training package; do not edit. 5-way,
inductive, percent with 95 % intervals where the source prints them. None of these was measured by this project;
`syntrans evaluate --published` prints ours beside them on the same data set. Below a table stand methods in which a
large model reads the query itself: CLIP ViT-B/32 by names alone is said to reach 94.43 ± 0.05 on miniImageNet, 10-way
(github.com/OliverXUZY/few_shot_image), so such rows say nothing about a small encoder."""
_QUERY_SEEN = "a large model sees the query"


class Published(NamedTuple):
    """One published result: `accuracy[shots]` is the mean and half width in percent, either may be unknown."""

    method: str
    backbone: str
    dataset: str
    accuracy: dict[int, tuple[float, float | None] | None]
    source: str


@cache
def _data() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "published.yaml").read_text(encoding="utf-8"))
    return values


def published(dataset: str, block: str = "rows") -> list[Published]:
    """What was published for a data set, by 1-shot accuracy; empty for one without published numbers.

    Block `rows` holds methods whose encoder alone sees the query, `query_seen` those that show it to a large model.
    """
    entries = []
    for method, backbone, results, source in _data()[block]:
        if dataset in results:
            one, five = (tuple(value) if value else None for value in results[dataset])
            entries.append(Published(method, backbone, dataset, {1: one, 5: five}, source))
    return sorted(entries, key=lambda entry: (entry.accuracy[1] or (0.0, None))[0])


def sources() -> dict[str, str]:
    """Short name of every source -> where it is."""
    return dict(_data()["sources"])


def against(summary: Mapping[str, Any], rows: tuple[str, ...] = ("plain_prototypes", "visual_only", "syntrans")) -> str:
    """The published numbers of the summary's data set with ours among them, as text."""
    dataset, ways = summary["data"]["dataset"], summary["episodes"]["ways"]
    if ways != 5:
        return f"published numbers are of 5-way episodes; these are {ways}-way"
    entries = published(dataset)
    if not entries:
        available = ", ".join(DATASETS.values())
        return f"no published numbers for {dataset or 'this data'}; there are some for {available}"
    lines = [_cells(entry) for entry in entries]
    for row in rows:
        ours = [summary["results"].get(k, {}).get(row) for k in ("1", "5")]
        values = [text((value["mean"], value["half_width"])) if value else "" for value in ours]
        lines.append((f"ours: {row.replace('_', ' ')}", _encoder(summary["encoder"]), *values, "this run"))
    lines.append((", ".join(_data()["not_available"]), "", "not available", "not available", ""))
    seen = published(dataset, "query_seen")
    if seen:
        lines += [(f"{_QUERY_SEEN}:", "", "", "", ""), *map(_cells, seen)]
    cited = {entry.source for entry in (*entries, *seen)}
    notes = [_data()["by_names"][dataset]] if dataset in _data()["by_names"] else []
    notes += [f"{key}: {where}" for key, where in sources().items() if key in cited]
    return f"{DATASETS[dataset]}, published (inductive) and ours\n{_aligned(lines)}\n" + "\n".join(notes)


def _encoder(encoder: Mapping[str, Any]) -> str:
    """Backbone and resolution, of given features what their file says, or their length; earlier runs say less."""
    if encoder.get("method") == "precomputed":
        if origin := encoder.get("features_of"):
            return str(origin)
        return f"features of {encoder['numbers']} numbers" if "numbers" in encoder else "given features"
    return f"{encoder['backbone']}, {encoder['test_size']} px" if "test_size" in encoder else str(encoder["backbone"])


def _cells(entry: Published) -> tuple[str, ...]:
    return entry.method, entry.backbone, text(entry.accuracy[1]), text(entry.accuracy[5]), entry.source


def _aligned(lines: list[tuple[str, ...]]) -> str:
    aligned = table("method", "backbone", "1-shot", "5-shot", "source", whole=("1-shot", "5-shot"))
    for cells in lines:
        add_row(aligned, *cells)
    width = width_of()
    return as_text(fitted(aligned, width, ("source", "backbone")), width)


def text(value: tuple[float, float | None] | None) -> str:
    """A mean with its half width where there is one; empty without a mean."""
    if value is None:
        return ""
    mean, half = value
    return f"{mean:.2f}" if half is None else f"{mean:.2f} ±{half:.2f}"


def page() -> str:
    """The text of docs/leaderboard.md."""
    missing = ", ".join(_data()["not_available"])
    parts = [
        f"# Published few-shot accuracies\n\n{_HEAD}\n{missing}: not available in any source that could be read.\n"
    ]
    for dataset, name in DATASETS.items():
        parts.append(f"## {name}\n\n| method | backbone | 1-shot | 5-shot | source |\n|---|---|---|---|---|")
        parts += [f"| {' | '.join(_cells(entry))} |" for entry in published(dataset)]
        seen = published(dataset, "query_seen")
        if seen:
            parts.append(f"| *{_QUERY_SEEN}* | | | | |")
            parts += [f"| {' | '.join(_cells(entry))} |" for entry in seen]
        if dataset == "cub":
            parts.append("\nSplits and crops of CUB differ between papers.")
        parts.append("")
    parts.append("## Sources\n")
    parts += [f"- `{key}`: {where}" for key, where in sources().items()]
    return "\n".join(parts) + "\n"
