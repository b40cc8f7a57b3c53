"""What `syntrans train` and `syntrans evaluate` do with FLIER's config and runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.cli.inputs import Chosen, descriptor_file, fitting_descriptors, images_named
from syntrans.console import say
from syntrans.errors import UsageError
from syntrans.packages.extras import require
from syntrans.paths import files_of_runs, run_path
from syntrans.runs.file_names import FLIER_REPORT, TRAIN_REPORT

if TYPE_CHECKING:
    from syntrans_training.config.flier import FlierConfig

NEWEST = "the newest"


def names_flier(config: str) -> bool:
    """Whether a config says `system: flier`."""
    from syntrans.config import read_config

    return read_config(config, kind="training/configs").get("system") == "flier"


def train(
    descriptors: Path | None,
    config: str,
    settings: Sequence[str],
    out: Path | None,
    *,
    images: str | None,
    resume: bool,
    dry_run: bool,
) -> str:
    """Choose FLIER's settings on val; returns the folder, or the config of a dry run."""
    require("train --config flier", "imagine")
    from syntrans.config import dump_config, load_config
    from syntrans.contract.reading import check_file
    from syntrans_training.config.flier import FlierConfig
    from syntrans_training.data.load_splits import origin_of
    from syntrans_training.flier.task import check_inputs
    from syntrans_training.imagination.imagined_file import open_imagined
    from syntrans_training.pipeline.preparation import with_absolute_paths

    overrides = [*settings, *([] if images is None else [f"data.path={json.dumps(images_named(images).what)}"])]
    settled = load_config(FlierConfig, config, kind="training/configs", overrides=overrides)
    settled = settled.model_copy(update={"data": with_absolute_paths(settled.data)})
    taken = Chosen(str(descriptor_file(descriptors)), "as named") if descriptors else fitting_descriptors(settled.data)
    seen = open_imagined(settled.imagined)
    imagined = Chosen(str(seen.path.absolute()), "as named" if settled.imagined else NEWEST)
    settled = settled.model_copy(update={"imagined": imagined.what})
    named = "--images" if images else "--set" if _sets_pictures(settings) else f"config {config}"
    pictures = Chosen(settled.data.path, named)
    say(f"pictures: {pictures}; descriptors: {taken or 'none fits: names only'}; imagined: {imagined}")
    file = Path(taken.what).absolute() if taken else None
    if file is not None:
        check_file(file)
    kept = seen if settled.imagined_per_class else None
    check_inputs(origin_of(settled.data), file, "val", imagined=kept, **settled.needs)
    if dry_run:
        return dump_config(settled).rstrip()
    target = _train_into_folder(settled, file, out, resume=resume)
    say(f"what it is worth: syntrans evaluate {target}")
    return str(target)


def _train_into_folder(config: FlierConfig, file: Path | None, out: Path | None, *, resume: bool) -> Path:
    """Train into the folder of this request, or into ``out``; a refused request leaves nothing behind."""
    from syntrans.runs.folder import removed_if_refused, run_dir
    from syntrans_training.flier.train import train as train_run

    request = {"config": config.model_dump(mode="json"), "descriptors": str(file)}
    target = run_dir("train", out, request, FLIER_REPORT, resume=resume)
    say(f"training into {target}")
    with removed_if_refused(target):
        train_run(config, out=target, descriptors=file, resume=resume)
    return target


def _sets_pictures(settings: Sequence[str]) -> bool:
    return any(setting.startswith("data.path=") for setting in settings)


def flier_run(checkpoint: Path | None) -> Path | None:
    """The FLIER run that an evaluation is of: the one that is named, or the newest training where it is one."""
    if checkpoint is not None:
        return checkpoint if (checkpoint / FLIER_REPORT).is_file() else None
    newest = [next(iter(files_of_runs(["train"], name)), None) for name in (FLIER_REPORT, TRAIN_REPORT)]
    ours, other = newest
    if ours is None or (other is not None and other.stat().st_mtime > ours.stat().st_mtime):
        return None
    return ours.parent


def refuse_other_options(
    images: str | None, descriptors: Path | None, config: str | None, settings: Sequence[str] | None, limit: int | None
) -> None:
    """UsageError for options that a FLIER run's evaluation does not take: its training has fixed all of it."""
    given = {"--images": images, "--descriptors": descriptors, "--config": config, "--set": settings, "--limit": limit}
    named = [option for option, value in given.items() if value is not None]
    if named:
        raise UsageError(f"{named[0]} is not for FLIER's runs, whose training has settled it; train with it again")


def evaluate(folder: Path, out: Path | None, *, device: str | None, dry_run: bool, as_json: bool) -> str:
    """Evaluate a FLIER run; returns the table, the summary as JSON, or the config of a dry run."""
    require("evaluate", "imagine")
    from syntrans.config import dump_config
    from syntrans.runs.folder import removed_if_refused
    from syntrans_training.data.load_splits import origin_of
    from syntrans_training.flier.evaluate import evaluate as run
    from syntrans_training.flier.evaluate import read_report
    from syntrans_training.flier.table import render
    from syntrans_training.flier.task import check_inputs
    from syntrans_training.imagination.imagined_file import open_imagined

    config, report, descriptors = read_report(folder)
    pictures, text = Chosen(config.data.path, "all novel classes of the training at once"), descriptors or "class names"
    say(
        f"evaluating FLIER of {folder}; pictures: {pictures}; descriptors: {text} (of the training); "
        f"imagined: {config.imagined} (of the training)"
    )
    seen = open_imagined(config.imagined) if config.imagined_per_class else None
    apart_from, origin = report["val"]["names"], origin_of(config.data)
    check_inputs(origin, descriptors, "novel", imagined=seen, apart_from=apart_from, **config.needs)
    if dry_run:
        return f"# checkpoint {folder}\n{dump_config(config)}".rstrip()
    target = out or run_path("evaluate")
    with removed_if_refused(target):
        summary = run(folder, out=target, device=device)
    say(f"written: {target / 'summary.json'}")
    return json.dumps(summary, indent=2, ensure_ascii=False) if as_json else render(summary)
