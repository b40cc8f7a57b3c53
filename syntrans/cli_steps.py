"""What the commands do: find the inputs that were not named, then one call of mining or training.

The only place besides the demo that knows both.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.class_match import match, nearest, pair
from syntrans.classes import ClassEntry, class_list_sha256, is_folder, lint, read_classes, require_clean
from syntrans.config import dump_config, from_values, load_config, semantic_hash
from syntrans.contract import check_file, read_descriptor_table
from syntrans.errors import InputError, UsageError
from syntrans.image_folders import class_folders
from syntrans.output import say
from syntrans.paths import artifacts_root, atomic_write_text, make_dir, new_run_dir, run_path
from syntrans.run_folders import REQUEST, is_json_object, newest_readable, unfinished

if TYPE_CHECKING:
    from syntrans_mining.config import MiningConfig

WORLD = "world"


def check_classes(source: str) -> tuple[dict[str, Any], str]:
    """The findings about a class list, as plain values and as text."""
    from syntrans.class_lint import empty_lines

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
        raise UsageError(f"--as {dataset!r} is not known; known are {', '.join(DATASETS)}")
    if path is None:
        places = where(dataset or "")
        return {"where": places}, where_text(places)
    given = {"path": path} | ({"dataset": dataset} if dataset else {})
    report = check(from_values(DataConfig, given, settings))
    return report, render(report)


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
    from syntrans.machine import fitting_mining_config
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.models import resolve_models
    from syntrans_mining.pictures import open_pictures

    name = config or fitting_mining_config()
    is_world = Path(name).stem == WORLD
    if classes is None and not is_world:
        raise UsageError("mine needs --classes: a file with one class a line, a built-in list, or --config world")
    settled = load_config(MiningConfig, name, kind="mining/configs", overrides=settings)
    entries = read_classes(classes or WORLD)
    for warning in require_clean(entries):
        say(f"{warning.level}: {warning.message}")
    if images is None and classes is not None and is_folder(classes) and class_folders(Path(classes)).keys:
        images = classes
        say(f"pictures: those in {classes}")
    opened = None if images is None else open_pictures(images, settled, entries)
    if dry_run:
        if images is None and is_world:
            _require_world_classes(entries)
        return _mining_plan(settled, name, entries[:limit], images, is_world=is_world)
    resolve_models(settled)  # a missing model is said before any picture is read
    if images is None and is_world:
        _require_world_classes(entries)
        images = str(export_world())
        opened = open_pictures(images, settled, entries)
    request = {
        "config": settled.model_dump(mode="json"),
        "classes": class_list_sha256(entries),
        "images": None if images is None else str(images),
        "limit": limit,
    }
    target = run_dir("mine", out, request, "run.json", resume=True)
    say(f"mining {len(entries[:limit])} classes with config {name} into {target}")

    from syntrans_mining.journal import forget_unasked
    from syntrans_mining.pipeline import mine as mine_classes
    from syntrans_mining.report import stage_table

    try:
        result = mine_classes(settled, entries, opened, target, limit=limit)
    except InputError:
        if out is None:
            forget_unasked(target)
        raise
    print(stage_table(result.run), file=sys.stderr)  # noqa: T201 - see say
    say(f"look at it: syntrans inspect {result.descriptors}")
    return str(result.descriptors)


def refilter(run: Path, settings: Sequence[str], out: Path | None) -> str:
    """Decide again on a finished run; returns the path of the new descriptors.parquet."""
    from syntrans_mining.refilter import refilter as decide_again
    from syntrans_mining.report import stage_table

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


def _mining_plan(
    config: MiningConfig, name: str, entries: Sequence[ClassEntry], images: str | None, *, is_world: bool
) -> str:
    """The page of a dry run, after a probe if the configuration asks for one."""
    from syntrans.machine import free_disk_gib
    from syntrans.plan_view import render_plan
    from syntrans_mining.pictures import open_pictures
    from syntrans_mining.pipeline import check_pictures
    from syntrans_mining.plan import make_plan

    root = artifacts_root()
    if images is not None:
        check_pictures(images, config, entries)  # what the run would refuse is refused here too
    if config.plan.probe_seconds:
        from syntrans_mining.probe import probe

        folder = images or (str(export_world()) if is_world else None)
        out = root / "cache" / "probe" / semantic_hash([config.model_dump(mode="json"), str(folder)])
        say(f"trying the models for about {config.plan.probe_seconds:g} s, after they are loaded")
        opened = open_pictures(folder, config, entries) if folder else None
        probe(config, entries, opened, out, seconds=config.plan.probe_seconds)
    shown = str(images) if images else WORLD if is_world else "none"
    head = f"config {name}, {len(entries)} {'class' if len(entries) == 1 else 'classes'}, pictures: {shown}"
    plan = make_plan(config, entries, root, pictures=shown != "none")
    return render_plan(plan, head=head, free_bytes=free_disk_gib(root) * 2**30)


def train(
    descriptors: Path | None,
    config: str | None,
    settings: Sequence[str],
    out: Path | None,
    *,
    resume: bool,
    stage: str | None = None,
    dry_run: bool,
) -> str:
    """Train; returns the folder of the checkpoint, or the plan of a dry run."""
    from syntrans_training.config import TrainConfig

    settled = load_config(TrainConfig, config or WORLD, kind="training/configs", overrides=settings)
    if stage not in (None, "encoder", "distill", "bridge"):
        raise UsageError(f"--stage {stage} is not known; it is encoder, distill or bridge")
    data = settled.data.path
    if descriptors is None:
        descriptors = newest_descriptors(_class_names(settled.data))
        found = "none fits, so the bridge knows class names only" if descriptors is None else f"taking {descriptors}"
        say(f"descriptors: {found}")
    elif descriptors.is_dir():
        descriptors /= "descriptors.parquet"
    if descriptors is not None:
        check_file(descriptors)
    if dry_run:
        return f"# data {data}, descriptors {descriptors}\n{dump_config(settled)}".rstrip()
    request = {"config": settled.model_dump(mode="json"), "descriptors": str(descriptors)}

    from syntrans_training.parallel import join
    from syntrans_training.seeding import pick_device
    from syntrans_training.train import train as run

    processes = join(pick_device(settled.device))
    target = Path(processes.same(lambda: str(run_dir("train", out, request, "train.json", resume=resume))))
    say(f"training on {data} into {target}")

    folder = run(settled, out=target, descriptors=descriptors, resume=resume, stage=stage).folder
    if stage in ("encoder", "distill"):
        say(f"the rest: the same command without --stage, with --out {folder}")
        return str(folder)
    say(f"what it is worth: syntrans evaluate {folder}")
    return str(folder)


def evaluate(
    checkpoint: Path | None,
    config: str | None,
    settings: Sequence[str],
    out: Path | None,
    *,
    against: bool = False,
    dry_run: bool,
    as_json: bool,
) -> str:
    """Evaluate; returns the table or the summary as JSON, or the plan of a dry run."""
    from syntrans_training.config import EvaluateConfig

    settled = load_config(EvaluateConfig, config or "evaluate", kind="training/configs", overrides=settings)
    if checkpoint is None:
        report = newest_readable(["train"], "train.json", is_json_object)
        if report is None:
            rule = "give the folder of a checkpoint, or run `syntrans train` first"
            raise UsageError(f"there is no checkpoint below {artifacts_root() / 'train'}; {rule}")
        checkpoint = report.parent
    say(f"evaluating {checkpoint}")
    if dry_run:
        return f"# checkpoint {checkpoint}\n{dump_config(settled)}".rstrip()

    from syntrans_training.evaluate import evaluate as run
    from syntrans_training.leaderboard import against as published
    from syntrans_training.report import render

    target = make_dir(out) if out else new_run_dir("evaluate")
    summary = run(checkpoint, settled, out=target)
    say(f"written: {target / 'summary.json'}")
    if as_json:
        return json.dumps(summary, indent=2, ensure_ascii=False)
    return f"{render(summary)}\n\n{published(summary)}" if against else render(summary)


def compare(a: str, b: str) -> tuple[dict[str, Any], str]:
    """The paired comparison of two evaluations, as plain values and as text."""
    from syntrans_training.compare import compare as pair
    from syntrans_training.compare import render

    found = pair(a, b)
    return found, render(found)


def export_world() -> Path:
    """The embedded world's pictures, drawn once into the cache."""
    from syntrans_training.world.export import export_cached

    return export_cached()


def run_dir(kind: str, out: Path | None, request: dict[str, Any], finished: str, *, resume: bool) -> Path:
    """The folder to work in: ``out``, else an unfinished run of the same request, else a new one.

    A run counts as finished when it has the file ``finished``.
    """
    if out is not None:
        return make_dir(out)
    wanted = semantic_hash(request)
    begun = unfinished(kind, wanted, finished) if resume else None
    if begun:
        say(f"going on with the unfinished run {begun}")
        return begun
    target = new_run_dir(kind)
    atomic_write_text(target / REQUEST, json.dumps({"hash": wanted, **request}, indent=2, ensure_ascii=False))
    return target


def newest_descriptors(class_keys: Sequence[str]) -> Path | None:
    """The newest descriptors.parquet, mined or imported, that has every one of these classes; None without one."""
    wanted = [ClassEntry(key, key) for key in class_keys]

    def has_all(path: Path) -> bool:
        table = read_descriptor_table(path)
        ids, names = table["class_id"].to_pylist(), table["class_name"].to_pylist()
        matches = pair(wanted, map(ClassEntry, ids, names))
        return not matches.missing and not matches.clashes

    return newest_readable(("mine", "import"), "descriptors.parquet", has_all)


def _require_world_classes(entries: Sequence[ClassEntry]) -> None:
    """InputError if the embedded world, whose pictures are to be taken, does not know one of the classes."""
    known = read_classes(WORLD)
    strangers = match(entries, known, "config world").missing
    if strangers:
        listed = nearest(strangers, [entry.name for entry in known])
        rule = "leave out --classes, or take another --config"
        raise InputError(f"config world knows the classes of the embedded world only, not {listed}; {rule}")


def _class_names(data: Any) -> list[str]:
    """The classes of a training config's data; of the world without drawing it."""
    if data.path == WORLD:
        return [entry.name for entry in read_classes(WORLD)]
    from syntrans_training.data.source import class_names

    return class_names(data.path, data.dataset, split_file=data.split_file, columns=data.columns)
