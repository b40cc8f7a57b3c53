"""`syntrans mine`: a run, its plan, or other thresholds on a finished run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syntrans.classes.entries import ClassEntry, class_list_sha256, is_folder
from syntrans.classes.lint import LintFinding, require_clean
from syntrans.classes.match import match, nearest
from syntrans.cli.inputs import WORLD, Chosen, absolute, export_world
from syntrans.cli.options import Classes, Config, DryRun, Images, Out, Set
from syntrans.console import say
from syntrans.errors import InputError, ModelLoadError, UsageError
from syntrans.images.class_lists import read_classes
from syntrans.images.folders import class_folders
from syntrans.paths import artifacts_root, run_path

if TYPE_CHECKING:
    from syntrans.images.reference import Picture
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.run.output_files import MineResult

Pictures = Mapping[str, Sequence["Picture"]]


def mine(
    classes: Classes = None,
    images: Images = None,
    config: Config = None,
    set_: Set = None,
    out: Out = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Mine only the first N classes: a preview, with report.html.", metavar="N", min=1),
    ] = None,
    dry_run: DryRun = False,
    refilter: Annotated[
        Path | None, typer.Option(help="Apply other thresholds (--set) to a finished run.", metavar="RUN")
    ] = None,
) -> None:
    """Generate and verify visual descriptors for classes.

    \b
    syntrans mine --classes birds.txt --images photos/
    syntrans mine --classes birds.txt --images photos/ --dry-run
    syntrans mine --classes birds.txt --images photos/ --limit 3
    syntrans mine --refilter artifacts/mine/RUN --set crosscheck.threshold=0.7

    --config: a file, or a shipped config (world, cpu, gpu24, gpu80, server); by default the one that fits this
    machine. Without --images nothing is checked against pictures. --dry-run shows models, licences, downloads,
    requests, tokens, time, disk and the first prompts, and ends with 5 where a model is missing. The same command
    resumes an unfinished run; another --out starts a new one. --refilter asks no model. Prints the path of
    descriptors.parquet.
    """
    if refilter is not None:
        _only_with_refilter(classes=classes, images=images, config=config, limit=limit, dry_run=dry_run)
        typer.echo(_refilter(refilter, set_ or [], out))
        return
    typer.echo(run(classes, images, config, set_ or [], out, limit, dry_run=dry_run))


@dataclass(frozen=True)
class Inputs:
    """What a run of `mine` takes. ``images``: where the pictures lie, None for the world's own or for none."""

    config: MiningConfig
    name: Chosen
    classes: str
    entries: Sequence[ClassEntry]
    warnings: Sequence[LintFinding]
    images: Chosen | None
    limit: int | None

    @property
    def is_world(self) -> bool:
        """Whether the config is that of the embedded world."""
        return Path(self.name.what).stem == WORLD

    @property
    def taken(self) -> Sequence[ClassEntry]:
        """The classes that are mined: the first ones, under a limit."""
        return self.entries[: self.limit]

    @property
    def images_at(self) -> str | None:
        """Where the pictures lie, for what is written: a path, ``world``, or None without any."""
        if self.images is None:
            return WORLD if self.is_world else None
        return absolute(self.images.what)

    def source(self) -> str | None:
        """The folder to read pictures from; those of the embedded world are drawn if they are asked for."""
        if self.images is None:
            return str(export_world()) if self.is_world else None
        return self.images.what

    def opened(self) -> Pictures | None:
        """The pictures by class, of --images and of the embedded world; None without any."""
        from syntrans_mining.run.pictures import open_pictures

        source = self.source()
        return None if source is None else open_pictures(source, self.config, self.entries)

    def request(self) -> dict[str, Any]:
        """What makes two runs the same: the second goes on with the first."""
        return {
            "config": self.config.model_dump(mode="json"),
            "classes": class_list_sha256(self.entries),
            "images": absolute(self.source()),
            "limit": self.limit,
        }

    def line(self) -> str:
        """What is taken and why, for people."""
        pictures = self.images or ("those of the embedded world" if self.is_world else "none")
        return f"mining {_n_classes(self.taken)} of {self.classes}; pictures: {pictures}; config: {self.name}"


def run(
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
    from syntrans_mining.models import resolve_models

    inputs = choose_inputs(classes, images, config, settings, limit)
    say(inputs.line())
    for warning in inputs.warnings:
        say(f"{warning.level}: {warning.message}")
    if dry_run:
        return _plan(inputs)
    opened = inputs.opened() if inputs.images else None  # pictures that are refused: said before models are fetched
    resolve_models(inputs.config)  # a missing model: said before the world is drawn
    result = _mine_into_folder(inputs, opened or inputs.opened(), out)
    _show(result)
    if limit is not None:
        say(f"look at the preview, prompts and answers included, before the long run: {_preview(result)}")
    say(f"look at it: syntrans inspect {result.descriptors}")
    return str(result.descriptors)


def choose_inputs(
    classes: str | None, images: str | None, config: str | None, settings: Sequence[str], limit: int | None
) -> Inputs:
    """Config, classes and pictures, each checked by itself: the config that fits, pictures beside the classes."""
    from syntrans.config import load_config
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.packages import require_packages

    name = _config(config)
    is_world = Path(name.what).stem == WORLD
    if classes is None and not is_world:
        raise UsageError("mine needs --classes: a file with one class a line, a built-in list, or --config world")
    settled = load_config(MiningConfig, name.what, kind="mining/configs", overrides=settings)
    require_packages(settled)
    entries = read_classes(classes or WORLD)
    warnings = require_clean(entries)
    pictures = None if images is None else Chosen(images, "--images")
    if images is None and classes is not None and is_folder(classes) and class_folders(Path(classes)).keys:
        pictures = Chosen(classes, "in the folder of the classes")
    if is_world:
        _require_world_classes(entries)
    return Inputs(settled, name, classes or WORLD, entries, warnings, pictures, limit)


def _refilter(run: Path, settings: Sequence[str], out: Path | None) -> str:
    """Decide again on a finished run; returns the path of the new descriptors.parquet."""
    from syntrans_mining.run.refilter import refilter as decide_again

    result = decide_again(run, settings, out or run_path("mine"))
    _show(result)
    if result.run["not_scored"]:
        say(
            f"{result.run['not_scored']} rows would pass now and were never looked at by a later step (not_scored); "
            f"the run's own command with these --set and --out {run} asks about them, and about nothing else"
        )
    return str(result.descriptors)


def _only_with_refilter(**given: object) -> None:
    """UsageError for an option that a finished run has settled already."""
    settled = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if settled:
        raise UsageError(f"--refilter takes classes, images and config from the run; leave out {settled[0]}")


def _config(named: str | None) -> Chosen:
    from syntrans.machine import fitting_mining_config

    return Chosen(named, "as named") if named else Chosen(fitting_mining_config(), "it fits this machine")


def _n_classes(entries: Sequence[ClassEntry]) -> str:
    return f"{len(entries)} {'class' if len(entries) == 1 else 'classes'}"


def _mine_into_folder(inputs: Inputs, opened: Pictures | None, out: Path | None) -> MineResult:
    """Mine into the folder of this request, or into ``out``; a refused request leaves nothing behind."""
    from syntrans.runs.folder import removed_if_refused, run_dir
    from syntrans_mining.requests.response_cache import forget_unasked
    from syntrans_mining.run.mine import mine as mine_classes

    target = run_dir("mine", out, inputs.request(), "run.json", resume=True)
    say(f"mining into {target}")
    with removed_if_refused(target):
        try:
            return mine_classes(
                inputs.config, inputs.entries, opened, target, limit=inputs.limit, images_at=inputs.images_at
            )
        except InputError:
            if out is None:
                forget_unasked(target)
            raise


def _show(result: MineResult) -> None:
    from syntrans_mining.run.report import step_table

    print(step_table(result.run), file=sys.stderr)  # noqa: T201 - see say


def _preview(result: MineResult) -> Path:
    """The page of the run, beside its files."""
    from syntrans.paths import atomic_write_text
    from syntrans.views.report.page import render_page
    from syntrans.views.report.runs import parts_of

    folder = result.descriptors.parent
    return atomic_write_text(folder / "report.html", render_page(parts_of([folder])))


def _plan(inputs: Inputs) -> str:
    """The page of a dry run, after a probe if the configuration asks for one; printed where a model is not there.

    ModelLoadError then, as from the run.
    """
    from syntrans.machine import free_disk_gib
    from syntrans.views.plan import render_plan
    from syntrans_mining.dry_run.plan import make_plan
    from syntrans_mining.run.pictures import check_pictures

    config, entries, root = inputs.config, inputs.taken, artifacts_root()
    if inputs.images is not None:
        check_pictures(inputs.images.what, config, entries)  # what the run would refuse is refused here too
    if config.plan.probe_seconds:
        _probe(inputs)
    pictures = inputs.images.what if inputs.images else WORLD if inputs.is_world else "none"
    head = f"config {inputs.name.what}, {_n_classes(entries)}, pictures: {pictures}"
    plan = make_plan(config, entries, root, pictures=pictures != "none")
    page = render_plan(plan, head=head, free_bytes=free_disk_gib(root) * 2**30)
    if lacking := [model for model in plan["models"] if model["state"] in ("missing", "unusable")]:
        typer.echo(page)
        more = f" ({len(lacking) - 1} more of this kind)" if len(lacking) > 1 else ""
        raise ModelLoadError(f"{lacking[0]['name']}: {lacking[0]['problem']}{more}")
    return page


def _probe(inputs: Inputs) -> None:
    """Try the models on the first classes; what they took is kept for plans."""
    from syntrans.files.semantic_hash import semantic_hash
    from syntrans_mining.dry_run.probe import probe
    from syntrans_mining.run.pictures import open_pictures

    config, entries, folder = inputs.config, inputs.taken, inputs.source()
    out = artifacts_root() / "cache" / "probe" / semantic_hash([config.model_dump(mode="json"), str(folder)])
    say(f"trying the models for about {config.plan.probe_seconds:g} s, after they are loaded")
    opened = open_pictures(folder, config, entries) if folder else None
    probe(config, entries, opened, out, seconds=config.plan.probe_seconds)


def _require_world_classes(entries: Sequence[ClassEntry]) -> None:
    """InputError if the embedded world does not know one of the classes, which its models cannot read."""
    of_world = read_classes(WORLD)
    strangers = match(entries, of_world, "config world").missing
    if strangers:
        listed = nearest(strangers, [entry.name for entry in of_world])
        rule = "leave out --classes, or take another --config"
        raise InputError(f"config world knows the classes of the embedded world only, not {listed}; {rule}")
