"""A run that is made of a finished one, beside it: what `refilter` and `edit` share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.contract.identity import CLASSES
from syntrans.descriptors.run_facts import read_report
from syntrans.errors import InputError, UsageError
from syntrans.paths import make_dir, remove_rests
from syntrans.runs.file_names import JOURNAL
from syntrans.runs.lock import lock

if TYPE_CHECKING:
    from syntrans.contract.rows import FileMetadata
    from syntrans_mining.models import Model


def check_finished(run: Path, out: Path) -> None:
    """UsageError where ``out`` is ``run`` itself; InputError where ``run`` lacks what a finished run has."""
    if run.resolve() == out.resolve():
        raise UsageError(f"--out is the folder of the run itself; give another one, {run} stays as it is")
    missing = [name for name in ("run.json", "config.yaml", CLASSES) if not (run / name).is_file()]
    if missing:
        raise InputError(f"{run} is not the folder of a finished run (it has no {missing[0]}); finish it first")


def check_revisions(run: Path, models: Sequence[Model], meta: FileMetadata) -> None:
    """InputError for a model that is at another revision than the one ``run`` was mined with."""
    for model in models:
        was = meta.model_revisions.get(model.name)
        if was != model.revision:
            raise InputError(
                f"{run} was mined with {model.name} at revision {was}, and {model.spec.path} is at {model.revision}; "
                f"what was measured with one does not fit the other"
            )


@contextmanager
def both_folders(run: Path, out: Path) -> Iterator[None]:
    """Take both for this process alone; ``out`` is made, and cleared of what a killed run left."""
    with ExitStack() as stack:
        make_dir(out)
        for folder in (out, run):
            stack.enter_context(lock(folder))
        remove_rests(out)
        yield


def cache_of(run: Path, out: Path) -> Path:
    """The responses of ``run``, or of the run that it was made of; where these are gone, a new file in ``out``.

    Without them CLIP is asked again.
    """
    folders = [run]
    while not (folders[-1] / JOURNAL).is_file():
        made_of = read_report(folders[-1] / "run.json").get("made_of")
        if not isinstance(made_of, str) or Path(made_of) in folders:
            return out / JOURNAL
        folders.append(Path(made_of))
    return folders[-1] / JOURNAL
