"""What `syntrans mine` does: a run, its plan, or other thresholds on a finished run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.classes.entries import ClassEntry, class_list_sha256, is_folder, read_classes, require_clean
from syntrans.classes.match import match, nearest
from syntrans.cli.inputs import WORLD, Chosen, absolute, export_world
from syntrans.config import load_config
from syntrans.console import say
from syntrans.errors import InputError, UsageError
from syntrans.files.semantic_hash import semantic_hash
from syntrans.images.folders import class_folders
from syntrans.paths import artifacts_root, run_path
from syntrans.runs.folder import removed_if_refused, run_dir

if TYPE_CHECKING:
    from syntrans_mining.config import MiningConfig


def mine(
    classes: str | None,
    images: str | None,
    config: str | None,
    settings: Sequence[str],
    out: Path | None,
    limit: int | None,
    *,
    dry_run: bool,
) -> str:
    """Mine; returns the path of descriptors.parquet, or the plan of a dry run."""
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.models import resolve_models
    from syntrans_mining.packages import require_packages
    from syntrans_mining.run.pictures import open_pictures

    name = _config(config)
    is_world = Path(name.what).stem == WORLD
    if classes is None and not is_world:
        raise UsageError("mine needs --classes: a file with one class a line, a built-in list, or --config world")
    settled = load_config(MiningConfig, name.what, kind="mining/configs", overrides=settings)
    require_packages(settled)
    entries = read_classes(classes or WORLD)
    for warning in require_clean(entries):
        say(f"{warning.level}: {warning.message}")
    why = "--images"
    if images is None and classes is not None and is_folder(classes) and class_folders(Path(classes)).keys:
        images, why = classes, "in the folder of the classes"
    if is_world:
        _require_world_classes(entries)
    places = images or (WORLD if is_world else "none")
    pictures = Chosen(images, why) if images else "those of the embedded world" if is_world else "none"
    say(f"mining {_n_classes(entries[:limit])} of {classes or WORLD}; pictures: {pictures}; config: {name}")
    opened = None if images is None else open_pictures(images, settled, entries)
    if dry_run:
        return _plan(settled, name.what, entries[:limit], images, places)
    resolve_models(settled)  # a missing model is said before any picture is read
    images_at = WORLD if images is None and is_world else absolute(images)
    if images is None and is_world:
        images = str(export_world())
        opened = open_pictures(images, settled, entries)
    request = {
        "config": settled.model_dump(mode="json"),
        "classes": class_list_sha256(entries),
        "images": absolute(images),
        "limit": limit,
    }
    target = run_dir("mine", out, request, "run.json", resume=True)
    say(f"mining into {target}")

    from syntrans_mining.requests.response_cache import forget_unasked
    from syntrans_mining.run.mine import mine as mine_classes
    from syntrans_mining.run.report import stage_table

    with removed_if_refused(target):
        try:
            result = mine_classes(settled, entries, opened, target, limit=limit, images_at=images_at)
        except InputError:
            if out is None:
                forget_unasked(target)
            raise
    print(stage_table(result.run), file=sys.stderr)  # noqa: T201 - see say
    say(f"look at it: syntrans inspect {result.descriptors}")
    return str(result.descriptors)


def refilter(run: Path, settings: Sequence[str], out: Path | None) -> str:
    """Decide again on a finished run; returns the path of the new descriptors.parquet."""
    from syntrans_mining.run.refilter import refilter as decide_again
    from syntrans_mining.run.report import stage_table

    result = decide_again(run, settings, out or run_path("mine"))
    print(stage_table(result.run), file=sys.stderr)  # noqa: T201 - see say
    if result.run["not_scored"]:
        say(
            f"{result.run['not_scored']} rows would pass now and were never looked at by a later stage (not_scored); "
            f"the run's own command with these --set and --out {run} asks about them, and about nothing else"
        )
    return str(result.descriptors)


def only_with_refilter(**given: object) -> None:
    """UsageError for an option that a finished run has settled already."""
    settled = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if settled:
        raise UsageError(f"--refilter takes classes, images and config from the run; leave out {settled[0]}")


def _config(named: str | None) -> Chosen:
    from syntrans.machine import fitting_mining_config

    return Chosen(named, "as named") if named else Chosen(fitting_mining_config(), "it fits this machine")


def _n_classes(entries: Sequence[ClassEntry]) -> str:
    return f"{len(entries)} {'class' if len(entries) == 1 else 'classes'}"


def _plan(config: MiningConfig, name: str, entries: Sequence[ClassEntry], images: str | None, pictures: str) -> str:
    """The page of a dry run, after a probe if the configuration asks for one."""
    from syntrans.machine import free_disk_gib
    from syntrans.views.plan import render_plan
    from syntrans_mining.dry_run.plan import make_plan
    from syntrans_mining.run.mine import check_pictures
    from syntrans_mining.run.pictures import open_pictures

    root = artifacts_root()
    if images is not None:
        check_pictures(images, config, entries)  # what the run would refuse is refused here too
    if config.plan.probe_seconds:
        from syntrans_mining.dry_run.probe import probe

        folder = images or (str(export_world()) if pictures == WORLD else None)
        out = root / "cache" / "probe" / semantic_hash([config.model_dump(mode="json"), str(folder)])
        say(f"trying the models for about {config.plan.probe_seconds:g} s, after they are loaded")
        opened = open_pictures(folder, config, entries) if folder else None
        probe(config, entries, opened, out, seconds=config.plan.probe_seconds)
    head = f"config {name}, {_n_classes(entries)}, pictures: {pictures}"
    plan = make_plan(config, entries, root, pictures=pictures != "none")
    return render_plan(plan, head=head, free_bytes=free_disk_gib(root) * 2**30)


def _require_world_classes(entries: Sequence[ClassEntry]) -> None:
    """InputError if the embedded world does not know one of the classes, which its models cannot read."""
    known = read_classes(WORLD)
    strangers = match(entries, known, "config world").missing
    if strangers:
        listed = nearest(strangers, [entry.name for entry in known])
        rule = "leave out --classes, or take another --config"
        raise InputError(f"config world knows the classes of the embedded world only, not {listed}; {rule}")
