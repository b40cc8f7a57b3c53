"""Reading the folder of a finished training: what it was made with, its bridge, its methods, its report.

The saved config ends here: `read_run` says it in plain values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from syntrans.classes.entries import composed
from syntrans.config import read_saved
from syntrans.errors import InputError, UsageError
from syntrans.files.sealed_json import read_sealed_json
from syntrans.provenance import file_sha256
from syntrans.runs.file_names import TRAIN_REPORT
from syntrans_training.baselines.selected import SelectedBaselines
from syntrans_training.bridge.ridge_baseline import RidgeBaseline, unpack
from syntrans_training.bridge.trained_bridges import TrainedBridges, read_bridges
from syntrans_training.config import TrainConfig
from syntrans_training.data.load_splits import Pictures, configured_pictures
from syntrans_training.encoder.build_encoder import build_to_open
from syntrans_training.encoder.open_encoder import OpenedEncoder, encoder_file, open_encoder
from syntrans_training.engine import checkpoint
from syntrans_training.engine.run_files import BRIDGE, ENCODER, RIDGE, SELECTED_BASELINES, SPLIT
from syntrans_training.evaluation.trained_with import EncoderOfRun, ImaginedOfRun, TasksOfRun, TextsOfRun
from syntrans_training.text.encoders import TextEncoder, open_text_encoder


@dataclass(frozen=True)
class TrainedRun:
    """What `syntrans train` left in a folder."""

    folder: Path
    pictures: Pictures
    encoder: EncoderOfRun
    texts: TextsOfRun
    tasks: TasksOfRun
    imagined: ImaginedOfRun
    ridge: RidgeBaseline
    bridges: TrainedBridges
    chosen: SelectedBaselines
    report: dict[str, Any]

    @property
    def descriptors(self) -> Path | None:
        """The file that the bridge was trained with; `InputError` when it has changed since."""
        made_with = self.report["bridge"]["descriptors"]
        if not made_with:
            return None
        path = Path(made_with["path"])
        if path.is_file() and file_sha256(path) != made_with["sha256"]:
            raise InputError(f"{path} has changed since the bridge was trained with it; run `syntrans train` again")
        return path

    def asked_with(self, given: Path | None) -> Path | None:
        """The descriptors of an evaluation: `given`, else the training's; `UsageError` where no row would use them."""
        if given and not self.report["bridge"]["descriptors"]:
            raise UsageError(
                f"{self.folder} was trained on class names alone and cannot read {given}; train it with descriptors"
            )
        return given or self.descriptors

    def text_encoder(self) -> TextEncoder:
        """The encoder of the class texts; `InputError` when its files are not those of the training."""
        ref, made_with = self.texts.encoder, self.report["bridge"]["text_encoder"]
        encoder = open_text_encoder(ref)
        if encoder.revision != made_with["revision"]:
            raise InputError(
                f"{ref} (revision {encoder.revision}) is not the text encoder that the bridge was trained with "
                f"({made_with['name']}, revision {made_with['revision']}); run `syntrans train` again"
            )
        return encoder

    def open_encoder(self, device: torch.device) -> OpenedEncoder:
        """The encoder that the features come from, on the device, and the note of its file."""
        return open_encoder(self.folder / self.encoder_file, self.encoder.fresh(), device)

    @property
    def encoder_file(self) -> str:
        """The file whose encoder the features come from."""
        return encoder_file(distilled=self.encoder.distilled)

    @property
    def distillation(self) -> dict[str, Any] | None:
        """Who taught the encoder and whether its features are used (`gate`); None without a teacher."""
        if self.encoder_file == ENCODER:
            return None
        note = self.report["distill"]
        return {"teacher": note["teacher"]["name"], "revision": note["teacher"]["revision"], "gate": note["gate"]}

    def check_shots(self, wanted: tuple[int, ...]) -> None:
        """`UsageError` when the bridge was not trained for these numbers of shots."""
        trained = sorted({shots for _, shots in self.ridge.choices})
        unknown = sorted(set(wanted) - set(trained))
        if unknown:
            raise UsageError(
                f"episodes.shots {unknown}: the bridge was trained for {trained}; train it for them or ask for those"
            )

    def check_novel(self, classes: tuple[str, ...]) -> None:
        """`InputError` when one of these classes was trained or chosen on."""
        for name, part in self.report["data"].items():
            both = sorted(set(map(composed, classes)) & set(map(composed, part.get("names", ()))))
            if both:
                raise InputError(f"class {both[0]!r} is in {name} and in novel; few-shot splits share no class")

    def classes_beside(self, classes: tuple[str, ...]) -> list[str]:
        """The classes that it was trained or chosen on, without these."""
        names = (name for part in self.report["data"].values() for name in part.get("names", ()))
        return [name for name in names if name not in set(classes)]

    def check_features(self, name: str, size: int) -> None:
        """`InputError` when features from elsewhere are of another length than those that were trained on."""
        trained = self.ridge.whitening.mean.numel()
        if size != trained:
            raise InputError(
                f"{name} features have {size} numbers, those of the training {trained}; all must come from one encoder"
            )


def read_run(folder: Path) -> TrainedRun:
    """The training in a folder; `InputError` when it is none, unfinished, or files of several runs lie there."""
    for name in (ENCODER, RIDGE, BRIDGE, SELECTED_BASELINES, TRAIN_REPORT):
        if not (folder / name).is_file():
            raise InputError(f"{folder} holds no {name}; give the folder that `syntrans train` finished")
    try:
        report = read_sealed_json(folder / TRAIN_REPORT, "run `syntrans train` again")
        config = read_saved(TrainConfig, report["config"])
        if (folder / SPLIT).is_file():  # the folder may have been moved since
            config = config.with_split(str(folder / SPLIT))
        stages = [report[name]["identity"] for name in ("bridge", "vsbird", "methods")]
        identities = [report["encoder"]["weights"], *stages]
        last = encoder_file(distilled=config.distill.teacher is not None)
        weights = report["encoder" if last == ENCODER else "distill"]["weights"]
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{folder / TRAIN_REPORT} is not the report of a training that this program reads "
            f"({type(error).__name__}); run `syntrans train` again"
        ) from error
    ridge, baselines = checkpoint.load(folder / RIDGE), checkpoint.load(folder / SELECTED_BASELINES)
    notes: list[Mapping[str, Any]] = [ridge[1], checkpoint.read_note(folder / BRIDGE), baselines[1]]
    if not (folder / last).is_file():
        raise InputError(f"{folder} holds no {last}; give the folder that `syntrans train` finished")
    if weights != checkpoint.read_note(folder / last).get("weights") or identities != [
        checkpoint.read_note(folder / ENCODER).get("weights"),
        *(note.get("identity") for note in notes),
    ]:
        raise InputError(f"{folder} holds files of different runs; let `syntrans train` finish there")
    selected = SelectedBaselines(note=baselines[1], tensors=baselines[0])
    texts, imagined = _texts_of(config), ImaginedOfRun(config.imagined, config.imagined_supports)
    return TrainedRun(
        folder, configured_pictures(config.data), _encoder_of(config), texts, _tasks_of(config), imagined,
        unpack(*ridge), read_bridges(folder / BRIDGE), selected, report,
    )  # fmt: skip


def _encoder_of(config: TrainConfig) -> EncoderOfRun:
    encoder, views = config.encoder, config.baselines.model_dump(include={"names", "views", "seed"})
    distilled, fresh = config.distill.teacher is not None, partial(build_to_open, encoder)
    return EncoderOfRun(encoder.backbone, encoder.method, encoder.test_size, distilled, fresh, views)


def _texts_of(config: TrainConfig) -> TextsOfRun:
    return TextsOfRun(config.text_choice, **config.text.reading)


def _tasks_of(config: TrainConfig) -> TasksOfRun:
    tasks, val = config.episodes, config.ridge
    return TasksOfRun(tasks.ways, tasks.shots, tasks.queries, tasks.seed, val.episodes, val.seed)
