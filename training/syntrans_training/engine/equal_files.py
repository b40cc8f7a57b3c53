"""Reuse of equal trainings: the file of another run is found by its identity, and copied."""

import shutil
from pathlib import Path

from syntrans.paths import atomic_path
from syntrans.progress import say
from syntrans_training.engine import checkpoint


def find_equal(out: Path, identity: str, names: tuple[str, ...]) -> str:
    """A file of one of these names and this identity, in the run folder or one beside it; "" where there is none."""
    for path in [*sorted(out.glob("*.safetensors")), *sorted(out.parent.glob("*/*.safetensors"), reverse=True)]:
        if path.name in names and checkpoint.load_matching(path, identity) is not None:
            return str(path)
    return ""


def take_over(source: Path, target: Path, *, logs: tuple[str, str], what: str) -> None:
    """Copy `source` to `target`, and the log beside it where there is one; nothing where they are one file.

    `logs` are the names of the log there and here, `what` names the training in the message.
    """
    if source == target:
        return
    say(f"{what}: the same as in {source.parent.name}, taken over")
    for old, new in ((source, target), (source.with_name(logs[0]), target.with_name(logs[1]))):
        if old.exists():
            with atomic_path(new) as temporary:
                shutil.copyfile(old, temporary)
