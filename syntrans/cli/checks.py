"""What `syntrans classes check` and `syntrans data check` do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from syntrans.classes.entries import lint, read_classes
from syntrans.cli.inputs import images_seen_with
from syntrans.config import from_values
from syntrans.errors import InputError, UsageError

if TYPE_CHECKING:
    from syntrans_training.config import DataConfig


def check_classes(source: str) -> tuple[dict[str, Any], str]:
    """The findings about a class list, as plain values and as text."""
    from syntrans.classes.lint import empty_lines

    entries = read_classes(source)
    findings = [finding._asdict() for finding in [*lint(entries), *empty_lines(source)]]
    errors = sum(finding["level"] == "error" for finding in findings)
    counts = {"classes": len(entries), "errors": errors, "warnings": len(findings) - errors}
    lines = [f"{finding['level']:<8} {finding['rule']:<15} {finding['message']}" for finding in findings]
    total = f"{source}: {counts['classes']} classes, {errors} errors, {counts['warnings']} warnings"
    return {"file": source, **counts, "findings": findings}, "\n".join([*lines, total])


def check_data(path: str | None, dataset: str | None, settings: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The report about the data at `path`, as plain values and as text; without a path, where to get it."""
    from syntrans_training.config import DataConfig
    from syntrans_training.data.check import check, where
    from syntrans_training.data.check_table import render, where_text
    from syntrans_training.data.datasets import DATASETS

    if dataset is not None and dataset not in DATASETS:
        raise UsageError(f"--dataset {dataset!r} is not known; known are {', '.join(DATASETS)}")
    if path is None:
        places = where(dataset or "")
        return {"where": places}, where_text(places)
    given = {"path": path} | ({"dataset": dataset} if dataset else {})
    data = _divided(from_values(DataConfig, given, settings))
    report = check(data)
    if not report["errors"]:
        finding = _left_by_mining(data)
        report["findings"].append(finding)
        report["warnings"] += finding["level"] == "warning"
    return report, render(report)


def _divided(data: DataConfig) -> DataConfig:
    """The same; classes that nothing divides are divided by chance, as `train` does."""
    from syntrans_training.data.open_splits import NotDivided, open_source

    if data.split_file is None and data.dataset == "auto":
        try:
            open_source(data.path, columns=data.columns, per_class=data.per_class)
        except NotDivided:
            return data.model_copy(update={"split_file": "auto"})
        except InputError:
            return data  # the report says what it is
    return data


def _left_by_mining(data: DataConfig) -> dict[str, str]:
    """A finding: how many pictures of the val and novel classes mining has left, or will leave, as queries."""
    from syntrans_mining.config import FilterConfig
    from syntrans_mining.images_config import ImagesConfig
    from syntrans_mining.run.pictures import shown
    from syntrans_training.config import EpisodesConfig
    from syntrans_training.data.load_splits import origin_of
    from syntrans_training.data.part_check import count_parts

    shape = EpisodesConfig()
    need = max(shape.shots) + shape.queries
    mined = images_seen_with(data.path)
    counts = count_parts(origin_of(data), mined[1] if mined else ())
    free = {(part, c): n.free for part in ("val", "novel") for c, n in counts.get(part, {}).items()}
    if mined is None:
        reserve, most = ImagesConfig().reserve, FilterConfig().images
        free = {place: n - shown(n, per_class=most, reserve=reserve) for place, n in free.items()}
    (part, name), least = min(free.items(), key=lambda item: item[1], default=(("val", ""), need))
    who = f"mining ({mined[0]}) has left" if mined else "mining (images.reserve) will leave"
    message = (
        f"{who} {least} pictures or more of every val and novel class as queries; {max(shape.shots)} shots and "
        f"{shape.queries} queries need {need}"
    )
    if least < need:
        message += f"; fewest has {part}: {name}; add pictures, or train with --set episodes.queries=N"
    return {"level": "warning" if mined and least < need else "note", "rule": "left", "message": message}
