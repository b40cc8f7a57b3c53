"""`syntrans train`: choose pictures, descriptors and config where they were not named, then one call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from syntrans.cli import completion
from syntrans.cli import flier as cli_flier
from syntrans.cli.inputs import (
    WORLD,
    Chosen,
    descriptor_file,
    fitting_descriptors,
    images_named,
    newest_descriptor_file,
    pictures_of,
    unfinished_mining,
)
from syntrans.cli.options import Config, Device, DryRun, Images, Out, Resume, Seed, Set, overrides
from syntrans.console import say
from syntrans.errors import UsageError
from syntrans.packages.extras import require
from syntrans.runs.file_names import TRAIN_REPORT

if TYPE_CHECKING:
    from syntrans.contract.rows import FileMetadata
    from syntrans_training.config import TrainConfig

PHOTOS, FEATURES = "photos", "features"
STAGES = ("encoder", "distill", "bridge")


def train(
    descriptors: Annotated[
        Path | None, typer.Argument(help="descriptors.parquet; default: the newest.", metavar="[FILE]")
    ] = None,
    images: Images = None,
    split: Annotated[
        str | None,
        typer.Option(help="How to split the classes: a JSON file, shares, or auto.", metavar="FILE|0.6/0.2/0.2|auto"),
    ] = None,
    config: Config = None,
    set_: Set = None,
    out: Out = None,
    seed: Seed = None,
    device: Device = None,
    resume: Resume = True,
    stage: Annotated[
        str | None,
        typer.Option(
            help="encoder or distill: stop after it; bridge: train no encoder.",
            metavar="NAME",
            autocompletion=completion.one_of(*STAGES),
        ),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Train an encoder and a bridge from text to pictures.

    \b
    syntrans train
    syntrans train --images photos/ --split 0.6/0.2/0.2
    syntrans train artifacts/import/cupl/descriptors.parquet --config caltech101

    Uses the newest descriptors and the pictures they were mined with; after an import, name them with --images.
    --config world, or having nothing else, uses the embedded world. Classes without a split into base, val and
    novel are split at random (--split auto). Prints the folder of the checkpoint.
    """
    divided = None if split is None else json.dumps(split)  # a YAML string, whatever is in it
    settings = overrides(set_, seed=seed, device=device, **{"data.split_file": divided})
    typer.echo(run(descriptors, config, settings, out, images=images, resume=resume, stage=stage, dry_run=dry_run))


class Inputs(NamedTuple):
    """What a training takes: `pictures` and `descriptors` say what and why, `config` is settled."""

    config: TrainConfig
    name: Chosen
    pictures: Chosen
    descriptors: Chosen | None

    @property
    def file(self) -> Path | None:
        """The descriptor file, absolute."""
        return Path(self.descriptors.what).absolute() if self.descriptors else None

    def line(self) -> str:
        """What is taken and why, for people."""
        text = self.descriptors or "none fits, so the bridge knows class names only"
        return f"pictures: {self.pictures}; descriptors: {text}; config: {self.name}"

    def check(self) -> None:
        """InputError or UsageError for what a training would refuse at its end: the file, and a text encoder for it."""
        from syntrans.contract.reading import check_file
        from syntrans_training.text.text_encoder_choice import text_encoder_ref

        if self.file is not None:
            check_file(self.file)
        text_encoder_ref(**self.config.text_choice)


def run(
    descriptors: Path | None,
    config: str | None,
    settings: Sequence[str],
    out: Path | None,
    *,
    images: str | None = None,
    resume: bool,
    stage: str | None = None,
    dry_run: bool,
) -> str:
    """Train; returns the folder of the checkpoint, or the plan of a dry run."""
    _check_stage(stage)
    if config is not None and cli_flier.names_flier(config):
        if stage is not None:
            raise UsageError("--stage is not for FLIER, which has one stage; leave it out")
        return cli_flier.train(descriptors, config, settings, out, images=images, resume=resume, dry_run=dry_run)
    require("train", "train")
    inputs = choose_inputs(descriptors, images, config, settings)
    say(inputs.line())
    inputs.check()
    if dry_run:
        return _plan(inputs)
    folder = _train_into_folder(inputs, out, resume=resume, stage=stage)
    if stage in ("encoder", "distill"):
        say(f"the rest: the same command without --stage, with --out {folder}")
    else:
        say(f"what it is worth: syntrans evaluate {folder}")
    return str(folder)


def choose_inputs(descriptors: Path | None, images: str | None, config: str | None, settings: Sequence[str]) -> Inputs:
    """Pictures: those of --images, else of the config that was named, else of the descriptor file, else the world's."""
    from syntrans.config import load_config
    from syntrans.contract.reading import read_metadata
    from syntrans_training.config import TrainConfig
    from syntrans_training.pipeline.preparation import absolute

    given = None if descriptors is None else Chosen(str(descriptor_file(descriptors)), "as named")
    named = _says_where(config) or any(setting.startswith("data.path=") for setting in settings)
    if images is not None:
        pictures: Chosen | None = images_named(images)
    elif named:
        pictures = None  # the config says
    elif (file := given or _newest()) is not None:
        meta = read_metadata(file.what)
        pictures, given = pictures_of(Path(file.what), meta), file
        settings = [*_columns(meta), *settings]
    elif begun := unfinished_mining():
        raise UsageError(
            f"{begun} is not finished and there is no descriptor file; finish it with the same `syntrans mine`, name "
            "pictures with --images DIR, or take the embedded world with --config world"
        )
    else:
        pictures = Chosen(WORLD, "the embedded world: there is neither a descriptor file nor --images")
    path = next((s.removeprefix("data.path=") for s in reversed(settings) if s.startswith("data.path=")), None)
    name = Chosen(config, "as named") if config else _fitting_config(pictures.what if pictures else path or WORLD)
    where = [] if pictures is None else [f"data.path={json.dumps(pictures.what)}"]
    settled = absolute(load_config(TrainConfig, name.what, kind="training/configs", overrides=[*settings, *where]))
    if pictures is None:
        pictures = Chosen(settled.data.path, "--set data.path" if path else f"config {name.what}")
    return Inputs(settled, name, pictures, given or fitting_descriptors(settled.data))


def _says_where(config: str | None) -> bool:
    """Whether a config names the pictures; one that does not leaves them to --images and the descriptor file."""
    from syntrans.config import read_config

    data = None if config is None else read_config(config, kind="training/configs").get("data")
    return isinstance(data, dict) and "path" in data


def _check_stage(stage: str | None) -> None:
    if stage not in (None, *STAGES):
        raise UsageError(f"--stage {stage} is not known; it is {', '.join(STAGES[:-1])} or {STAGES[-1]}")


def _plan(inputs: Inputs) -> str:
    """The config that a training would have, with what it would be given."""
    from syntrans.config import dump_config
    from syntrans_training.pipeline.preparation import prepare

    planned = prepare(inputs.config, inputs.file, dry=True).config
    return f"# pictures {inputs.pictures.what}, descriptors {inputs.file}\n{dump_config(planned)}".rstrip()


def _train_into_folder(inputs: Inputs, out: Path | None, *, resume: bool, stage: str | None) -> Path:
    """Train into the folder of this request, or into ``out``; a refused request leaves nothing behind."""
    from syntrans.runs.folder import removed_if_refused, run_dir
    from syntrans_training.engine.devices import pick_device
    from syntrans_training.engine.distributed import join
    from syntrans_training.pipeline.train import train as train_stages

    request = {"config": inputs.config.model_dump(mode="json"), "descriptors": str(inputs.file)}
    processes = join(pick_device(inputs.config.device))
    target = Path(processes.same(lambda: str(run_dir("train", out, request, TRAIN_REPORT, resume=resume))))
    say(f"training into {target}")
    with removed_if_refused(target):
        return train_stages(inputs.config, out=target, descriptors=inputs.file, resume=resume, stage=stage).folder


def _columns(meta: FileMetadata) -> list[str]:
    """The Parquet columns that mining was told, as overrides of a training's config."""
    columns = meta.config.get("images") or {}
    names = ("image_column", "label_column")
    return [f"data.{name}={json.dumps(columns[name])}" for name in names if columns.get(name)]


def _newest() -> Chosen | None:
    path = newest_descriptor_file()
    return None if path is None else Chosen(str(path), "the newest")


def _fitting_config(path: str) -> Chosen:
    """The shipped config that suits what lies at `path`."""
    from syntrans_training.data.feature_files import feature_files

    if path == WORLD or path.startswith("world-fine/"):
        return Chosen(WORLD, "the embedded world's")
    if feature_files(path):
        return Chosen(FEATURES, "they are features")
    return Chosen(PHOTOS, "for pictures of one's own")
