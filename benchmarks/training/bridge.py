"""How long the bridge and an evaluation take, beside an older version on the same features, in one run.

Usage: git worktree add ../before 819bf20
       python benchmarks/training/bridge.py --before ../before [--out FILE]
       python benchmarks/training/bridge.py --before ../before --processor      on a machine that does other work too
       python benchmarks/training/bridge.py --quick

Features are made up (bridge_features.py): 60 pictures a class, class names as texts, no controls, the default grids.
Every setting that says how much is done is told to both: an older version may take those of its world where no config
is named, which trains fewer heads for fewer steps.
Both versions train on 640 numbers and 64 base classes by `syntrans train --stage bridge`, once without a training step
(`vsbird.steps=0`: what the search for space and start takes, and the metrics) and once as usual; what that takes longer
are the heads. Then this version alone on longer features and on more classes. Each version evaluates the whole table of
a training of its own with small grids, with made-up descriptors and all controls, on 2,000 episodes of each number of
shots; this one then only the rows that the older one has, too. Seconds are the stage's own (train.json, summary.json),
with --processor those that its threads worked; the processor seconds beside them are of the whole command.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.quick import add_quick, target
from benchmarks.training.bridge_features import write_features
from syntrans.paths import atomic_write_text
from syntrans.provenance import made_by
from syntrans_training.text.text_encoder_choice import MINILM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parents[2]
USUAL = (640, 64)  # numbers of a feature, base classes
LARGER = ((1024, 64), (2048, 64), (640, 351))
SAME = [
    f"text.encoder=package:{MINILM}/model",
    "text.name_template=a photo of a {name}",
    'text.descriptor_template="{text}"',  # an older version reads it as a mapping without the quotes
    "ridge.episodes=1000",
    "vsbird.seeds=5",
    "vsbird.steps=200",
    "baselines.views=0",
    'baselines.names=["euclidean","simpleshot","logistic","ridge","cosine","gidaris","fsktn","am3","semalign"]',
]
ALONE = ["vsbird.controls=false", "baselines.names=[]"]
SMALL = {  # grids of a training that is only there to be evaluated
    "ridge.shrinkages": [1.0], "ridge.lambdas": [1.0], "ridge.episodes": 40, "baselines.episodes": 40,
    "vsbird.shrinkages": [1.0], "vsbird.prior_shrinkages": [1.0], "vsbird.lambdas": [1.0], "vsbird.steps": 1,
    "baselines.steps": 5,
}  # fmt: skip
QUICK = [
    "ridge.episodes=4",
    "vsbird.steps=1",
    "vsbird.seeds=1",
    "ridge.lambdas=[1.0]",
    "vsbird.shrinkages=[1.0]",
    "vsbird.prior_shrinkages=[1.0]",
    "vsbird.lambdas=[1.0]",
    "vsbird.controls=false",
    "baselines.names=[]",
    "episodes.queries=4",
]

ONLY = (
    "import syntrans_training.evaluation.evaluate as evaluation; whole = evaluation._rows; "
    "evaluation._rows = lambda *of: {{name: row for name, row in whole(*of).items() if name in {rows}}}; "
)
OLD_SECTIONS = {"ridge": "bridge", "baselines": "methods"}  # what an older version calls these sections


@dataclass(frozen=True)
class Version:
    """A checkout of SynTrans and where its runs go."""

    checkout: Path
    runs: Path
    processor: bool = False

    @property
    def has_new_keys(self) -> bool:
        """Whether its config keys have the names of today."""
        return (self.checkout / "syntrans" / "config" / "model.py").is_file()

    def sets(self, settings: Iterable[str]) -> list[str]:
        """Settings as arguments, their sections called as it calls them."""
        config = self.checkout / "training" / "syntrans_training" / "config"
        names = {} if (config / "ridge.py").is_file() else OLD_SECTIONS
        sections = [setting.partition(".") for setting in settings]
        return [part for section, *key in sections for part in ("--set", "".join((names.get(section, section), *key)))]

    def run(self, *arguments: str, first: str = "") -> float:
        """A command of it, after the statements `first`; returns its processor seconds."""
        packages = [self.checkout, *(self.checkout / part for part in ("mining", "training", "world"))]
        entry = tomllib.loads((self.checkout / "pyproject.toml").read_text())["project"]["scripts"]["syntrans"]
        module, function = entry.split(":")
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, packages)),
            "SYNTRANS_ARTIFACTS": str(self.runs / "artifacts"),
            "HF_HUB_OFFLINE": "1",
        }
        before = _processor_seconds()
        clock = "import time; time.monotonic = time.process_time; " if self.processor else ""
        command = [sys.executable, "-c", f"{first}{clock}from {module} import {function}; {function}()", *arguments]
        done = subprocess.run(command, env=env, cwd=self.runs, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise SystemExit(f"{self.checkout}: syntrans {' '.join(arguments)} ended with {done.returncode}")
        return _processor_seconds() - before

    def train(self, features: Path, *settings: str, descriptors: Path | None = None) -> dict[str, Any]:
        """A bridge on features: seconds, choices of the stage, and its folder."""
        out = Path(tempfile.mkdtemp(dir=self.runs))
        method = "precomputed" if self.has_new_keys else "given"
        given = [f"data.path={features}", f"encoder.method={method}", *SAME, *settings]
        first = [str(descriptors)] if descriptors else []
        spent = self.run("train", *first, "--stage", "bridge", "--out", str(out), *self.sets(given))
        report = json.loads((out / "train.json").read_text())
        note = report["vsbird"]
        choices = [{k: v for k, v in one.items() if k != "curve"} for one in note["choices"]]
        return {
            "seconds": {name: round(report["seconds"][name], 1) for name in ("bridge", "vsbird")},
            "processor_seconds": round(spent, 1),
            "space": note["space"],
            "choices": choices,
            "folder": str(out),
        }

    def evaluate(self, trained: str, *settings: str, only: Iterable[str] = ()) -> dict[str, Any]:
        """The whole table, or the rows `only`: seconds of the command by itself, and its accuracies."""
        out = Path(tempfile.mkdtemp(dir=self.runs))
        first = ONLY.format(rows=sorted(only)) if only else ""
        spent = self.run("evaluate", trained, "--out", str(out), *self.sets(settings), first=first)
        summary = json.loads((out / "summary.json").read_text())
        rows = {
            shots: {name: row["mean"] for name, row in of_shots.items()}
            for shots, of_shots in summary["results"].items()
        }
        return {"seconds": summary["seconds"], "processor_seconds": round(spent, 1), "accuracies": rows}


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare_training(
    versions: dict[str, Version], features: Path, settings: list[str], keep: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Both versions without a training step and with all; their ratios."""
    times: dict[str, Any] = {name: {} for name in versions}
    for name, version in versions.items():
        start = version.train(features, *settings, "vsbird.steps=0")
        times[name] |= {"space_and_starts": start["seconds"]["vsbird"], "untrained": start}
        print(name, "untrained", start["seconds"], start["processor_seconds"], flush=True)
        keep(times)
    for name, version in versions.items():
        whole = version.train(features, *settings)
        heads = whole["seconds"]["vsbird"] - times[name]["space_and_starts"]
        times[name] |= {"heads": round(heads, 1), "trained": whole}
        print(name, "trained", whole["seconds"], whole["processor_seconds"], flush=True)
        keep(times)
    return times | {"ratio": ratios(times, ("space_and_starts", "heads"))}


def compare_evaluation(
    versions: dict[str, Version], features: Path, folder: Path, settings: list[str]
) -> dict[str, Any]:
    """Both versions, each with a training of its own."""
    times: dict[str, Any] = {}
    of_now: tuple[str, list[str]] = ("", [])
    for name, version in versions.items():
        out = folder / f"described-{name}"
        version.run("import", str(folder / "described.json"), "--format", "cupl", "--out", str(out))
        small = [f"{key}={json.dumps(value)}" for key, value in SMALL.items()]
        trained = version.train(features, *small, *settings, descriptors=out / "descriptors.parquet")
        if not settings:  # features and texts are to be in the cache
            version.evaluate(trained["folder"], "episodes.episodes=4")
        once = "control_draws=1" if version.has_new_keys else "shuffles=1"
        episodes = ["episodes.episodes=4", once] if settings else ["episodes.episodes=2000"]
        times[name] = version.evaluate(trained["folder"], *episodes)
        print(name, "evaluate", times[name]["seconds"], times[name]["processor_seconds"], flush=True)
        of_now = (trained["folder"], episodes) if name == "now" else of_now
    keys, same = ("seconds", "processor_seconds"), {}
    if "before" in times:
        rows = next(iter(times["before"]["accuracies"].values()))
        same = {"now": versions["now"].evaluate(of_now[0], *of_now[1], only=rows), "before": times["before"]}
        print("now, rows of before", same["now"]["seconds"], same["now"]["processor_seconds"], flush=True)
    return times | {"ratio": ratios(times, keys), "same_rows": same | {"ratio": ratios(same, keys)}}


def ratios(times: dict[str, Any], keys: tuple[str, ...]) -> dict[str, float]:
    """How much longer the older version takes."""
    if "before" not in times:
        return {}
    return {key: round(times["before"][key] / max(times["now"][key], 1e-9), 1) for key in keys}


def write_case(folder: Path, dim: int, base: int) -> Path:
    """The features of a case, and descriptors of its classes: the words of each name, in sentences."""
    features = folder / f"{dim}-{base}"
    features.mkdir()
    names = write_features(features, dim=dim, base=base)
    described = {
        name: [f"a picture of a {name}", *(f"it looks like {word}" for word in name.split())] for name in names
    }
    (folder / "described.json").write_text(json.dumps(described))
    return features


def main() -> None:
    """Measure, print, write after every part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="checkout of the older version: git worktree add DIR COMMIT")
    parser.add_argument("--processor", action="store_true", help="count the seconds that the processor worked")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/bridge.json")
    add_quick(parser)
    given = parser.parse_args()
    settings = QUICK if given.quick else []
    out = target(given.out, ROOT / "benchmarks" / "results" / "bridge.json", quick=given.quick)
    clock = "processor" if given.processor else "wall"
    result: dict[str, Any] = {"load": os.getloadavg(), "cores": os.cpu_count(), "seconds": clock}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        checkouts = {"now": ROOT, "before": given.before} if given.before else {"now": ROOT}
        versions = {}
        for name, checkout in checkouts.items():
            (folder / name).mkdir()
            versions[name] = Version(checkout.resolve(), folder / name, given.processor)

        def keep(part: str, figures: dict[str, Any]) -> None:
            result[part] = figures
            atomic_write_text(out, json.dumps({**result, "made_by": made_by()}, indent=2) + "\n")

        dim, base = (32, 12) if given.quick else USUAL
        usual = write_case(folder, dim, base)
        keep("training", compare_training(versions, usual, [*ALONE, *settings], partial(keep, "training")))
        larger: dict[str, Any] = {}
        for dim, base in () if given.quick else LARGER:
            of_size = versions["now"].train(write_case(folder, dim, base), *ALONE)
            whole = result["training"]["now"]["trained"]["seconds"]
            of_size["times_as_long"] = round(sum(of_size["seconds"].values()) / sum(whole.values()), 2)
            larger[f"{dim} numbers, {base} classes"] = of_size
            print(dim, base, of_size["seconds"], of_size["processor_seconds"], of_size["times_as_long"], flush=True)
            keep("larger", larger)
        keep("evaluation", compare_evaluation(versions, usual, folder, settings))
        evaluation = result["evaluation"]
        print("ratios", result["training"]["ratio"], evaluation["ratio"], evaluation["same_rows"]["ratio"])
    print(out)


if __name__ == "__main__":
    main()
