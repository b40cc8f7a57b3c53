"""A finished `syntrans train` as what looks at pictures and reads texts; everything as an evaluation does it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from syntrans.errors import InputError, UsageError
from syntrans.paths import files_of_runs
from syntrans_training.data.store import GAP, squeezed
from syntrans_training.encoder.features import encode_batch
from syntrans_training.engine.devices import autocast, pick_device
from syntrans_training.evaluation.table_rows import ELSEWHERE
from syntrans_training.evaluation.trained_run import TrainedRun, read_run
from syntrans_training.prediction.inputs.knowledge import ClassTexts
from syntrans_training.prediction.shapes import Float, Int, UInt8
from syntrans_training.prediction.space import Space
from syntrans_training.prediction.trained_bridge import TrainedBridge, alpha_without_text
from syntrans_training.text.class_vectors import NAME, NONE, Knowledge, embed_texts, knowledge_of, read_knowledge

__all__ = ["RunKnowledge", "TrainedEncoder", "read_run"]


class TrainedEncoder:
    """The encoder of a run behind `ImageEncoder`: the mean over a picture and its mirror image, as evaluations have it.

    Raises `UsageError` when the run was trained on features from elsewhere: nothing there looks at pictures.
    """

    batch, in_threads = 32, False  # torch divides a batch over the cores itself

    def __init__(self, run: TrainedRun) -> None:
        trained = run.encoder
        if trained.method == "precomputed":
            raise UsageError(f"{run.folder} was trained on feature files and has no encoder; name one with pictures")
        self._device = pick_device("auto")
        self._module, note = run.open_encoder(self._device)
        self._module.eval()
        self._precision, self._shown = note["precision"], trained.test_size
        self.name, self.dim = f"{trained.backbone} of {run.folder}", len(run.bridges.phi.mean)
        self.size = run.pictures.decoding.size
        self.at_least = GAP * self.size

    def prepare(self, picture: Image.Image) -> UInt8[np.ndarray, "s s 3"]:
        """As pictures are stored."""
        return squeezed(picture, self.size)

    def forward(self, batch: UInt8[np.ndarray, "n s s 3"]) -> Float[np.ndarray, "n d"]:
        """Features of prepared pictures."""
        with torch.inference_mode(), autocast(self._device, self._precision):
            features = encode_batch(self._module, torch.from_numpy(batch).to(self._device), self._shown)
        return np.asarray(features.cpu().numpy())


@dataclass(frozen=True)
class RunKnowledge:
    """A run's texts and bridge for one task: which heads it takes depends on the supports and on the texts."""

    run: TrainedRun

    @property
    def reads_descriptors(self) -> bool:
        """Whether it was trained with descriptors."""
        return self.run.ridge.main != NAME

    def descriptors(self, given: Path | None, classes: Sequence[str]) -> Path | None:
        """The `given` file, else the training's, else the newest that knows every class; None: names.

        Raises `UsageError` where a file is given and the run reads none.
        """
        if given is not None:
            return self.run.asked_with(given)
        if not self.reads_descriptors:
            return None
        for path in self._at_hand():
            try:
                self._knowledge(path, classes)
            except InputError:  # other classes
                continue
            return path
        return None

    def _at_hand(self) -> Iterator[Path]:
        """The training's file, unless it has changed since, and those of this folder's runs, the newest first."""
        try:
            trained_with = self.run.descriptors
        except InputError:
            trained_with = None
        if trained_with is not None:
            yield trained_with
        yield from files_of_runs(("mine", "import"), "descriptors.parquet")

    def texts(
        self,
        path: Path | None,
        classes: Sequence[str],
        labels: Int[np.ndarray, " n"],
        described: Mapping[str, Sequence[str]] | None = None,
    ) -> ClassTexts:
        """The classes in words, as the run's heads read them: `described` by class, descriptors of `path`, or names."""
        variant = self.run.ridge.main if path is not None or described else NAME
        text, share = self.run.texts, self._choice(variant, labels)["name_share"]
        bank = embed_texts(
            knowledge_of(described, classes) if described else self._knowledge(path, classes),
            classes,
            self.run.text_encoder(),
            variant,
            descriptor_template=text.descriptor_template,
            name_template=text.name_template,
            weighting=text.weighting,
        )
        each = tuple(vectors[: len(texts)] for vectors, texts in zip(bank.texts, bank.sentences, strict=True))
        return ClassTexts(tuple(classes), bank.sentences, bank.vectors(share), each)

    def space(self, texts: ClassTexts | None, labels: Int[np.ndarray, " n"]) -> Space:
        """The shared space of the heads for such texts; without texts, of those that were trained without."""
        variant = NONE if texts is None else self.run.ridge.main if any(texts.descriptors) else NAME
        choice = self._choice(variant, labels)
        head = self.run.bridges.heads[choice["variant"], choice["shots"]][0]
        mute = texts is None and choice["variant"] != NONE
        is_main = choice["variant"] == self.run.bridges.variants[0]
        row = "syntrans" if is_main else _CONTROLS[choice["variant"]]
        temperature = self.run.chosen.temperature(row, choice["shots"])
        elsewhere = self.run.chosen.temperature(ELSEWHERE, choice["shots"], row)
        spreads = self.run.bridges.spreads.get((choice["variant"], choice["shots"]))
        spread, alpha = None if spreads is None else spreads[0], choice["alpha"]
        if mute:
            alpha = 0.0 if spread is None else alpha_without_text(alpha, spread)
            spread = None
        bridge = TrainedBridge(
            self.run.bridges.phi, head, alpha, temperature, spread, reads_text=not mute, elsewhere=elsewhere
        )
        return Space(text=bridge.semantic, bridge=bridge)

    def _knowledge(self, path: Path | None, classes: Sequence[str]) -> Knowledge:
        return read_knowledge(path, classes, beside=self.run.classes_beside(tuple(classes)))

    def _choice(self, variant: str, labels: Int[np.ndarray, " n"]) -> dict[str, Any]:
        """Of the trained heads those of this kind of text, else the main ones; of their shots the nearest."""
        choices = self.run.bridges.choices
        kind = variant if variant in self.run.bridges.variants else self.run.bridges.variants[0]
        shots = np.median(np.unique(labels, return_counts=True)[1]) if len(labels) else 1
        trained = (k for name, k in choices if name == kind)
        return choices[kind, min(trained, key=lambda k: (abs(k - shots), k))]


_CONTROLS = {NONE: "no_text", NAME: "name_only"}  # their rows of an evaluation
