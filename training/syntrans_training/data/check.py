"""`syntrans data check`: is what a user placed complete, readable, divided without overlap, and which split is it?"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from syntrans.errors import InputError
from syntrans.images.folders import PARTS
from syntrans.images.reference import FEW_BROKEN, named_broken
from syntrans_training.data.compare import Difference, difference, nearest
from syntrans_training.data.datasets import DATASETS
from syntrans_training.data.duplicates import Pair, find_duplicates
from syntrans_training.data.feature_files import feature_files, given_classes, given_splits
from syntrans_training.data.load_splits import Decoding, Origin, check_disjoint
from syntrans_training.data.open_splits import Source
from syntrans_training.data.store import Split, load_split

_FEW = 20  # 5 shots and 15 queries
_SHOWN = 5


def check(origin: Origin, decoding: Decoding) -> dict[str, Any]:
    """Everything that is to be said about pictures, or about features in their place, as plain values.

    `findings` are errors (training would stop), warnings (it would run, look at them) and notes. Pictures are decoded
    into the cache that training uses.
    """
    findings: list[dict[str, str]] = []
    report: dict[str, Any] = {"path": origin.path, "dataset": origin.dataset, "parts": {}, "duplicates": []}
    try:
        if files := feature_files(origin.path):
            check_disjoint(given_classes(files))
            given = given_splits(tuple(files), files, limit_per_class=origin.limit_per_class)
            parts = {name: _counts(split) for name, split in given.items()}
            return _finished(report | {"dataset": "features", "parts": parts}, findings, "features")
        source = origin.open()
    except InputError as error:
        _add(findings, "error", "layout", str(error))
        return _finished(report, findings, origin.dataset)
    report["dataset"] = source.dataset or "own"
    _check_classes(source, findings)
    origins: dict[tuple[str, str], str] = {}
    splits = _decode(source, origin.limit_per_class, decoding, findings, origins)
    if source.passed_over:
        _add(findings, "note", "passed over", str(source.passed_over).removeprefix("passed over: "))
    report["parts"] = {name: _counts(split) for name, split in splits.items()}
    _check_repeats(splits, findings)
    pairs = find_duplicates(splits)
    report["duplicates"] = [_described(pair, splits, origins) for pair in pairs]
    _check_pairs(report["duplicates"], findings)
    published = difference(source.dataset, source.parts) if source.dataset else nearest(source.parts)
    report["published_split"] = _compared(published, splits, findings, limited=origin.limit_per_class is not None)
    return _finished(report, findings, source.dataset)


def where(dataset: str) -> list[dict[str, str]]:
    """What a copy looks like and where to get it, of one data set or of all."""
    wanted = [DATASETS[dataset]] if dataset in DATASETS else list(DATASETS.values())
    return [{"name": d.name, "title": d.title, "layout": d.layout, "where": d.where} for d in wanted]


def _add(findings: list[dict[str, str]], level: str, rule: str, message: str) -> None:
    findings.append({"level": level, "rule": rule, "message": message})


def _finished(report: dict[str, Any], findings: list[dict[str, str]], dataset: str) -> dict[str, Any]:
    counts = Counter(finding["level"] for finding in findings)
    incomplete = any(finding["rule"] in ("layout", "classes") for finding in findings)
    help_ = where(dataset) if incomplete and dataset in DATASETS else []
    return report | {"errors": counts["error"], "warnings": counts["warning"], "findings": findings, "where": help_}


def _check_classes(source: Source, findings: list[dict[str, str]]) -> None:
    for name in PARTS:
        try:
            source.part(name)
        except InputError as error:
            _add(findings, "error", "classes", str(error).partition("; see")[0].partition("; `syntrans")[0])
    try:
        check_disjoint({name: part.classes for name, part in source.parts.items()})
    except InputError as error:
        _add(findings, "error", "disjoint", str(error))


def _decode(
    source: Source,
    limit_per_class: int | None,
    decoding: Decoding,
    findings: list[dict[str, str]],
    origins: dict[tuple[str, str], str],
) -> dict[str, Split]:
    """The splits that can be opened; `origins` learns where each picture came from, by part and hash."""
    splits = {}
    for name, part in source.parts.items():
        try:
            pictures = part.pictures(limit_per_class)
            split = load_split(name, pictures, size=decoding.size, max_broken_share=1.0)
        except InputError as error:
            _add(findings, "error", "readable", str(error))
            continue
        splits[name] = split
        origins.update(((name, ref.sha256), ref.origin) for refs in pictures.values() for ref in refs)
        share = len(split.broken) / (len(split) + len(split.broken))
        if split.broken:
            many = share > decoding.max_broken_share and len(split.broken) > FEW_BROKEN
            level, listed = "error" if many else "warning", named_broken(split.broken)
            _add(findings, level, "readable", f"{name}: {len(split.broken)} broken pictures ({share:.2%}): {listed}")
        few = [c for c, n in zip(split.classes, np.bincount(split.labels), strict=True) if n < _FEW]
        if few:
            text = f"{name}: {len(few)} classes with fewer than {_FEW} pictures (5 shots and 15 queries): {_list(few)}"
            _add(findings, "warning", "counts", text)
    return splits


def _counts(split: Split) -> dict[str, Any]:
    counts = np.bincount(split.labels)
    return {
        "classes": len(split.classes),
        "images": len(split),
        "broken": len(split.broken),
        "broken_pictures": list(split.broken),
        "per_class": {"min": int(counts.min()), "median": float(np.median(counts)), "max": int(counts.max())},
        "key": split.key,
    }


def _check_repeats(splits: Mapping[str, Split], findings: list[dict[str, str]]) -> None:
    """The same picture twice in a part: harmless within a class, a wrong label somewhere between two."""
    for name, split in splits.items():
        seen: dict[str, set[int]] = {}
        for sha, label in zip(split.sha256, split.labels.tolist(), strict=True):
            seen.setdefault(sha, set()).add(label)
        twice = len(split) - len(seen)
        torn = [split.classes[min(labels)] for labels in seen.values() if len(labels) > 1]
        if torn:
            _add(findings, "warning", "repeats", f"{name}: {len(torn)} pictures are in two classes: {_list(torn)}")
        elif twice:
            _add(findings, "note", "repeats", f"{name}: {twice} pictures are there more than once, within their class")


def _described(pair: Pair, splits: Mapping[str, Split], origins: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    sides = [(pair.one, pair.first), (pair.other, pair.second)]
    return {
        "parts": [part for part, _ in sides],
        "classes": [splits[part].classes[splits[part].labels[i]] for part, i in sides],
        "sha256": [splits[part].sha256[i] for part, i in sides],
        "pictures": [origins[part, splits[part].sha256[i]] for part, i in sides],
        "bits": pair.bits,
        "exact": pair.exact,
    }


def _check_pairs(pairs: list[dict[str, Any]], findings: list[dict[str, str]]) -> None:
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for pair in pairs:
        groups.setdefault((*pair["parts"], "exact" if pair["exact"] else "near"), []).append(pair)
    for (one, other, kind), pairs_found in groups.items():
        what = "the same picture" if kind == "exact" else "nearly the same picture"
        examples = _list([f"{pair['classes'][0]} / {pair['classes'][1]}" for pair in pairs_found])
        _add(findings, "warning", "duplicates", f"{one} and {other} share {what} {len(pairs_found)} times: {examples}")


def _compared(
    difference: Difference | None, splits: Mapping[str, Split], findings: list[dict[str, str]], *, limited: bool
) -> dict[str, Any] | None:
    if difference is None:
        _add(findings, "note", "split", "the classes are divided like no published split")
        return None
    title = f"{difference.name} ({DATASETS[difference.name].split.title})"
    if difference.equal:
        _add(findings, "note", "split", f"equals the published split {title}")
    for part in PARTS:
        for word, classes in (("lacks", difference.missing[part]), ("adds", difference.extra[part])):
            if classes:
                _add(
                    findings,
                    "warning",
                    "split",
                    f"{part} {word} {len(classes)} classes against {title}: {_list(classes)}",
                )
    expected, have = (
        DATASETS[difference.name].pictures,
        sum(len(split) + len(split.broken) for split in splits.values()),
    )
    if difference.equal and have != expected and not limited:
        _add(findings, "warning", "counts", f"{have:,} pictures; the published {difference.name} has {expected:,}")
    return {
        "name": difference.name,
        "equal": difference.equal,
        "missing": dict(difference.missing),
        "extra": dict(difference.extra),
    }


def _list(items: list[str]) -> str:
    return ", ".join(items[:_SHOWN]) + (f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")
