"""One training: its stages as methods, each over what the stages before it left."""

from pathlib import Path
from typing import Any

import torch

from syntrans.runs.legs import Clock, Legs
from syntrans_training.baselines.view_stage import view_stage
from syntrans_training.bridge.val_tasks import ValSplit
from syntrans_training.config import TrainConfig
from syntrans_training.data import Split
from syntrans_training.data.load_splits import open_data
from syntrans_training.encoder.cmkd import ClassKnowledge, class_knowledge
from syntrans_training.encoder.feature_stage import feature_stage
from syntrans_training.engine.distributed import Processes
from syntrans_training.pipeline.distill_stage import distill_stage, open_teacher_signal
from syntrans_training.pipeline.encoder_stage import check_given, encoder_stage, given_stage, require_encoder
from syntrans_training.pipeline.imagined_stage import check_imagined, imagined_stage
from syntrans_training.pipeline.stages import (
    baselines_stage,
    bridge_stage,
    check_base,
    check_val,
    open_texts,
    ridge_stage,
)


class TrainingRun:
    """The stages of `syntrans train` in a run folder; `train.run_stages` has their order.

    Each stage notes its seconds and returns the note of its file. With `resume` a stage whose file fits is skipped.
    """

    def __init__(
        self,
        config: TrainConfig,
        out: Path,
        descriptors: Path | None,
        device: torch.device,
        processes: Processes,
        *,
        resume: bool,
    ) -> None:
        self.config, self.out, self.descriptors, self.device = config, out, descriptors, device
        self.processes, self.resume = processes, resume
        self._seconds = Clock(Legs(out) if processes.first else Legs())

    def open(self) -> None:
        """Open pictures, texts and teacher, and check all that can be checked before the long work."""
        config = self.config
        with self._seconds.clock("data"), self.processes.first_alone():
            splits = open_data(config.data, ("base", "val"))
            self.base, self.val = splits["base"], splits["val"]
            self.texts = open_texts(config, self.base, self.val, self.descriptors)
            self.seen = self.val.seen(self.texts.knowledge.images_seen)
            check_val(config, self.val, self.seen)
            check_base(config, self.base)
            check_imagined(config, self.val)
            check_given(config.encoder.method, self.base, teacher=config.distill.teacher)
            self.class_knowledge = self._class_knowledge()
            self.signal = open_teacher_signal(config, self.base, self.val, self.texts.knowledge, self.descriptors)

    def _class_knowledge(self) -> ClassKnowledge | None:
        """What a teacher of CMKD is told of the classes; None where none is trained."""
        settings = self.config.encoder.cmkd
        if self.config.encoder.method != "cmkd" or not settings.relation_weight:
            return None
        named: dict[str, Any] = {"name_share": settings.name_share, "described": self.texts.file is not None}
        return class_knowledge(settings.knowledge, self.texts.base, self.texts.val, **named)

    def train_encoder(self, *, required: bool) -> dict[str, Any]:
        """Train the encoder; where it is `required`, it must be there already."""
        config, knowledge = self.config.encoder, self.class_knowledge
        with self._seconds.clock("encoder"):
            if config.method == "precomputed":
                self.encoder = given_stage(self.base, self.out)
                return self.encoder[1]
            placing: dict[str, Any] = {"seed": self.config.seed, "device": self.device}
            if required:
                require_encoder(config, self.base, self.out, **placing, key=knowledge.key if knowledge else "")
            self.encoder = encoder_stage(
                config, self.base, self.val, self.out, **placing, reuse=self.resume, knowledge=knowledge
            )
        return self.encoder[1]

    def distill(self) -> dict[str, Any] | None:
        """Distil a CLIP into the encoder, where the config names one; else None."""
        if self.signal is None:
            return None
        with self._seconds.clock("distill"):
            self.encoder = distill_stage(
                self.config, self.signal, self.encoder, self.base, self.val, self.out,
                device=self.device, reuse=self.resume,
            )  # fmt: skip
        return self.encoder[1]

    def extract_features(self) -> None:
        """Features of base and val, and of augmented views of val where a baseline takes them."""
        size = self.config.encoder.test_size
        with self._seconds.clock("features"), self.processes.first_alone():
            self.base_features, val = (
                feature_stage(*self.encoder, split, self.device, size) for split in (self.base, self.val)
            )
            baselines = self.config.baselines.model_dump(include={"names", "views", "seed"})
            views = view_stage(*self.encoder, self.val, self.device, size, **baselines)
        self.val_features = ValSplit(val, self.seen, views)

    def fit_ridge_baseline(self) -> dict[str, Any]:
        """Standardise the features and fit the ridge baseline."""
        with self._seconds.clock("bridge"), self.processes.first_alone():
            return ridge_stage(self.config, self.base_features, self.val_features, self.texts, self.out)

    def train_bridge(self) -> dict[str, Any]:
        """Train the heads of the bridge."""
        with self._seconds.clock("vsbird"), self.processes.first_alone():
            return bridge_stage(self.config, self.base_features, self.val_features, self.texts, self.out)

    def choose_baselines(self) -> dict[str, Any]:
        """Choose, train and calibrate the baselines of the table."""
        with self._seconds.clock("methods"), self.processes.first_alone():
            return baselines_stage(self.config, self.base_features, self.val_features, self.texts, self.out)

    def weigh_imagined(self) -> dict[str, Any]:
        """Choose what imagined pictures are worth as further supports."""
        size = self.config.encoder.test_size
        with self._seconds.clock("imagined"), self.processes.first_alone():
            return imagined_stage(
                self.config, self.val_features, self.texts.val, self.out,
                lambda split: feature_stage(*self.encoder, split, self.device, size).values,
            )  # fmt: skip

    def described(self) -> dict[str, Any]:
        """Config, seed, seconds of the stages so far, and data, for the report."""
        return {
            "config": self.config.model_dump(mode="json"),
            "seed": self.config.seed,
            "seconds": self._seconds.totals(),
            "data": {"base": _described(self.base), "val": _described(self.val)},
        }


def _described(split: Split) -> dict[str, Any]:
    return {"images": len(split), "classes": len(split.classes), "key": split.key, "names": list(split.classes)}
