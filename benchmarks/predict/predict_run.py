"""`syntrans predict --encoder run:DIR` beside `syntrans evaluate`: the frozen tasks of a training's novel classes.

Usage: python benchmarks/predict/predict_run.py RUN_DIR [--episodes 200] [--shots 1 5] [--out FILE] [--quick]

Of every task: whether predict, picture by picture, gives the classes of evaluate's inductive row; and accuracy,
calibration error and prediction sets, one by one and together. Where the run has imagined pictures
(`imagined_supports`), also tasks of classes without a picture: their texts alone, and imagined supports, 5 and as
many as the run takes. Nothing is chosen here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.predict.predict import summary
from benchmarks.quick import EVALUATE, add_quick
from syntrans.config import load_config
from syntrans.machine import facts
from syntrans.paths import artifacts_root, atomic_write_text
from syntrans_training.config import EvaluateConfig
from syntrans_training.evaluation.evaluated_split import open_episodes, open_evaluated_split
from syntrans_training.evaluation.imagined_supports import Seen, see_for_run
from syntrans_training.evaluation.table_rows import build_rows
from syntrans_training.evaluation.trained_run import read_run
from syntrans_training.prediction.encoders.trained import RunKnowledge
from syntrans_training.prediction.predictor import Settings, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = {  # name -> one by one, with text
    "one by one": (True, True),
    "together": (False, True),
    "one by one, no text": (True, False),
    "together, no text": (False, False),
}


def measure(subject: Any, shots: int, settings: Sequence[str]) -> dict[str, Any]:
    """Figures of the tasks that the settings of `syntrans evaluate` ask for."""
    given = [*settings, "device=cpu", f"episodes.shots=[{shots}]"]
    config = load_config(EvaluateConfig, "evaluate", kind="training/configs", overrides=given)
    row = build_rows(
        subject.features, {}, n_classes=len(subject.split.classes), shots=shots, draws=1, level="inductive"
    )["syntrans"]
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in ROWS}
    equal = []
    tasks = open_episodes(subject, shots, **config.tasks).episodes
    for episode in (tasks[i] for i in range(len(tasks))):
        support, query = (torch.from_numpy(part)[None] for part in (episode.support, episode.query.reshape(-1)))
        classes = torch.from_numpy(episode.classes)[None]
        with torch.inference_mode():
            scores = row.methods[0].scores(row.features[support], row.features[query], classes)
        expected = scores[0].argmax(-1).numpy()
        truth = np.repeat(np.arange(len(episode.classes)), episode.query.shape[1])
        for name, answers in predicted(subject, episode).items():
            results[name].append(outcome(answers, truth))
            if name == "one by one":
                equal.append(float((answers.labels == expected).mean()))
    return {"equal_to_evaluate": float(np.mean(equal)), **{name: summary(rows) for name, rows in results.items()}}


def without_pictures(subject: Any, seen: Seen, settings: Sequence[str]) -> dict[str, Any]:
    """Figures of the same tasks without their supports: by text, by imagined pictures, by both; one by one."""
    given = [*settings, "device=cpu", "episodes.shots=[1]"]
    config = load_config(EvaluateConfig, "evaluate", kind="training/configs", overrides=given)
    numbers = sorted({min(5, subject.run.imagined.supports), subject.run.imagined.supports})
    kinds = {"text": (0, True)}
    kinds |= {f"{n} imagined": (n, False) for n in numbers} | {f"{n} imagined and text": (n, True) for n in numbers}
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in kinds}
    tasks, raw = open_episodes(subject, 1, **config.tasks).episodes, subject.features.raw.numpy()
    for episode in (tasks[i] for i in range(len(tasks))):
        truth = np.repeat(np.arange(len(episode.classes)), episode.query.shape[1])
        names = tuple(subject.split.classes[c] for c in episode.classes)
        for name, (n, text) in kinds.items():
            rows = [np.flatnonzero(seen.labels.numpy() == c)[:n] for c in episode.classes]
            if not text and not all(map(len, rows)):
                continue  # of a class CLIP kept no picture: there is nothing to tell it by
            labels = np.repeat(np.arange(len(rows)), list(map(len, rows)))
            trained = RunKnowledge(subject.run)
            told = trained.texts(trained.descriptors(None, names), names, labels) if text else None
            shown = seen.values.numpy()[np.concatenate(rows)] if n else np.zeros((0, raw.shape[1]), np.float32)
            predictor = fit(shown, labels, names, trained.space(told, labels), told, Settings(inductive=True))
            results[name].append(outcome(predictor.predict(raw[episode.query.reshape(-1)]), truth))
    return {name: summary(rows) for name, rows in results.items()}


def predicted(subject: Any, episode: Any) -> dict[str, Any]:
    """What predict says of the queries, by row."""
    names = tuple(subject.split.classes[c] for c in episode.classes)
    labels = np.repeat(np.arange(len(names)), episode.support.shape[1])
    trained, raw = RunKnowledge(subject.run), subject.features.raw.numpy()
    texts = trained.texts(trained.descriptors(None, names), names, labels)
    opened = {told: trained.space(texts if told else None, labels) for told in (True, False)}
    supports, answers = raw[episode.support.reshape(-1)], {}
    for row, (inductive, text) in ROWS.items():
        told = texts if text else None
        predictor = fit(supports, labels, names, opened[text], told, Settings(inductive=inductive))
        answers[row] = predictor.predict(raw[episode.query.reshape(-1)])
    return answers


def outcome(answers: Any, truth: NDArray[Any]) -> dict[str, Any]:
    """What `summary` reads."""
    right = answers.labels == truth
    promised = answers.calibration.promised
    return {
        "accuracy": float(right.mean()),
        "correct": right.tolist(),
        "confidence": answers.probabilities.max(1).tolist(),
        "coverage": float(answers.members[np.arange(len(truth)), truth].mean()),
        "set_size": float(answers.members.sum(1).mean()),
        **({} if promised is None else {"promised": promised}),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 5])
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    subject = open_evaluated_split(read_run(given.run), device="cpu", views=False)
    settings = EVALUATE if given.quick else [f"episodes.episodes={given.episodes}"]
    figures: dict[str, Any] = {"episodes": given.episodes, "machine": facts(artifacts_root()), "shots": {}}
    for shots in given.shots:
        figures["shots"][str(shots)] = measure(subject, shots, settings)
        print(shots, json.dumps(figures["shots"][str(shots)]), flush=True)
    seen = see_for_run(subject.run, subject.split.classes, "cpu")
    if seen is not None:
        figures["without pictures"] = without_pictures(subject, seen, settings)
        print("without pictures", json.dumps(figures["without pictures"]), flush=True)
    if given.out:
        atomic_write_text(given.out, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
