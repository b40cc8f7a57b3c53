"""`syntrans data check`: whether a data set is complete, or where to get it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syntrans.cli import completion
from syntrans.cli.inputs import images_seen_with
from syntrans.cli.options import Json, Set
from syntrans.console import print_json
from syntrans.errors import InputError, UsageError

if TYPE_CHECKING:
    from syntrans_training.config import DataConfig


def data_check(
    path: Annotated[
        str | None,
        typer.Argument(help="A folder, an archive, Parquet (or a glob), or hf://NAME.", show_default=False),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="mini, tiered, cifar-fs, fc100, cub, cub-feat or cub-easyfsl.",
            metavar="NAME",
            autocompletion=completion.datasets,
        ),
    ] = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Check that a data set is complete, or show where to get it.

    \b
    syntrans data check --dataset cifar-fs
    syntrans data check downloads/cifar-100-python.tar.gz --dataset cifar-fs
    syntrans data check photos/ --set split_file=split.json --set size=84

    Counts pictures and classes, finds broken pictures and pictures or classes that are in two splits (also near
    duplicates), and names the published split that it equals. --set takes the keys of a training config's `data`.
    Without PATH it shows where to get the data. Exits with 3 if there is an error.
    """
    report, text = check_data(path, dataset, set_ or ())
    if json_:
        print_json(report)
    else:
        typer.echo(text)
    if report.get("errors"):
        raise typer.Exit(InputError.exit_code)


def check_data(path: str | None, dataset: str | None, settings: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The report about the data at `path`, as plain values and as text; without a path, where to get it."""
    from syntrans.config import from_values
    from syntrans_training.config import DataConfig
    from syntrans_training.data.check import check, where
    from syntrans_training.data.check_table import render, where_text
    from syntrans_training.data.datasets import DATASETS
    from syntrans_training.data.load_splits import decoding_of, origin_of

    if dataset is not None and dataset not in DATASETS:
        raise UsageError(f"--dataset {dataset!r} is not known; known are {', '.join(DATASETS)}")
    if path is None:
        places = where(dataset or "")
        return {"where": places}, where_text(places)
    given = {"path": path} | ({"dataset": dataset} if dataset else {})
    data = _divided(from_values(DataConfig, given, settings))
    report = check(origin_of(data), decoding_of(data))
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
