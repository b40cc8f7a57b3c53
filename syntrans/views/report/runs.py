"""From what a person names to the parts of a page: which kind of run it is, and who reads that kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from syntrans.errors import InputError
from syntrans.files.sealed_json import read_sealed_json
from syntrans.runs.file_names import FLIER_REPORT, SUMMARY, TRAIN_REPORT
from syntrans.views.report.evaluation import evaluation_part
from syntrans.views.report.figures import ALPHA, WEIGHTS, figures_part
from syntrans.views.report.flier import flier_training_part
from syntrans.views.report.imagined import imagined_part
from syntrans.views.report.mining import mining_part
from syntrans.views.report.prediction import read_answers
from syntrans.views.report.training import training_part
from syntrans.views.report.working import is_working, working_part

Part = dict[str, Any]


class Kind(NamedTuple):
    """A kind of run: the file that says that a folder is one, and finished; and the reader of that file."""

    file: str
    read: Callable[[Path], Part]


KINDS = (
    Kind("descriptors.parquet", mining_part),
    Kind(TRAIN_REPORT, training_part),
    Kind(FLIER_REPORT, flier_training_part),
    Kind("imagined.parquet", imagined_part),
    Kind(SUMMARY, evaluation_part),
    Kind(ALPHA, figures_part),
    Kind(WEIGHTS, figures_part),
)
PARTS_OF_DEMO = ("mine", "train", "evaluate")
_RULE = "give the folder of a run of mine, import, train, imagine or evaluate, or a .jsonl or .parquet of predict"


def parts_of(runs: Sequence[Path], *, unfinished: bool = False) -> list[Part]:
    """One part for each run, in their order; InputError for what is none.

    A run that has not finished is one too with ``unfinished``, and refused without.
    """
    return [part for run in runs for part in _parts(run, unfinished=unfinished)]


def trainings_of(runs: Sequence[Path]) -> list[Path]:
    """The trainings among ``runs``, each once: named, of a demo, or those that an evaluation was of."""
    trainings: dict[Path, Path] = {}
    for run in runs:
        folder = run / "train" if _is_demo(run) else run
        if (folder / "summary.json").is_file():
            summary = read_sealed_json(folder / "summary.json", _RULE)
            folder = Path(str(summary.get("checkpoint"))) if isinstance(summary, dict) else folder
        if (folder / "train.json").is_file():
            trainings.setdefault(folder.resolve(), folder)
    return list(trainings.values())


def _is_demo(run: Path) -> bool:
    return all((run / part).is_dir() for part in PARTS_OF_DEMO)


def _parts(run: Path, *, unfinished: bool) -> list[Part]:
    if run.is_file():
        return [_of_file(run)]
    if not run.is_dir():
        raise InputError(f"{run} is not there; {_RULE}")
    if _is_demo(run):
        return [part for name in PARTS_OF_DEMO for part in _parts(run / name, unfinished=unfinished)]
    kind_of_run = next((kind for kind in KINDS if (run / kind.file).is_file()), None)
    finished = kind_of_run is not None and (kind_of_run.file != "descriptors.parquet" or _is_whole(run))
    if kind_of_run and finished:
        return [kind_of_run.read(run / kind_of_run.file)]
    if unfinished and is_working(run):
        return [working_part(run)]
    if is_working(run):
        raise InputError(
            f"{run} has not finished; run the same command again, or look at it with: syntrans report {run} --live"
        )
    raise InputError(f"{run} holds no run; {_RULE}")


def _of_file(file: Path) -> Part:
    kind_of_file = next((kind for kind in KINDS if file.name == kind.file), None)
    if kind_of_file:
        return kind_of_file.read(file)
    if file.suffix in (".jsonl", ".parquet"):
        return read_answers(file)
    raise InputError(f"{file} is no file of a run; {_RULE}")


def _is_whole(run: Path) -> bool:
    """Whether a folder of mine has its last file, ``run.json``; an import's has neither it nor a configuration."""
    return (run / "run.json").is_file() or not (run / "config.yaml").is_file()
