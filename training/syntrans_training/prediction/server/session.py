"""What the server knows: one task whose supports grow with every correction, in memory and in the support folder."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image

from syntrans.errors import EnvironmentProblem, InputError
from syntrans.images.decode import decode, suffix_of
from syntrans.paths import atomic_path, require_writable
from syntrans.progress import say
from syntrans.text_safety import harmless_name, plain_text
from syntrans_training.prediction.answers import Answer, answers, terms
from syntrans_training.prediction.encoders.pipeline import encode_photos
from syntrans_training.prediction.inputs.photos import Supports
from syntrans_training.prediction.predictor import fit
from syntrans_training.prediction.reasons import explain
from syntrans_training.prediction.shapes import Float
from syntrans_training.prediction.task import Task

_PREFIX = "correction-"  # of the files that the server writes; it removes no other


@dataclass(frozen=True)
class Upload:
    """A picture that was sent; `origin` is the file name that the sender gave, shown and never used as a path."""

    origin: str
    data: bytes

    def image(self, at_least: int | None = None) -> Image.Image:
        """The RGB picture; `InputError` if it is broken or too large."""
        return decode(self.data, self.origin, at_least=at_least)


def upload(name: str | None, data: bytes) -> Upload:
    """A picture as it was sent, its name made harmless."""
    return Upload(harmless_name(name or "").strip() or "a picture", data)


def check_folder(support: Path | None, supports: Supports) -> Path:
    """`support`, where corrections are kept; `InputError` unless it has a folder for every class.

    Says where they cannot be written.
    """
    missing = [name for name in supports.classes if support is None or not (support / name).is_dir()]
    if support is None or missing:
        lack = f" (no folder {missing[0]!r})" if missing else ""
        raise InputError(
            f"--support {support} has no folder a class{lack}; serve keeps corrections there: give a folder of class "
            "folders"
        )
    try:
        require_writable(support, folder=True)
    except EnvironmentProblem as error:  # its pictures may still be read
        say(f"warning: no correction can be kept: {error}")
    return support


class Session:
    """Answers and corrections, one at a time: two requests never see half a correction."""

    def __init__(self, task: Task, folder: Path) -> None:
        self._task, self.folder, self._lock = task, folder, Lock()

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, which are the names of their folders too."""
        return self._task.predictor.classes

    @property
    def encoder(self) -> str:
        """Name of the encoder."""
        return self._task.opened.encoder.name

    def terms(self) -> list[str]:
        """What the answers promise, in lines."""
        with self._lock:
            predictor = self._task.predictor
            return terms(predictor, predictor.predict(self._task.features[:0]))

    def answer(self, uploads: list[Upload]) -> list[Answer]:
        """One answer an upload, in order; a broken one with its error."""
        with self._lock:
            task = self._task
            encoded = encode_photos(task.opened.encoder, uploads, "read pictures")
            predictions = task.predictor.predict(encoded.features)
            reasons = explain(task.predictor, predictions)
            return answers(uploads, encoded, task.predictor, predictions, reasons, task.origins)

    def correct(self, picture: Upload, name: str) -> Path:
        """Make `picture` a support of class `name`: a file in its folder, counted from the next answer on.

        The same picture under another class is taken away there, if a correction has put it there.
        Raises `InputError` for an unknown class or a broken picture, `EnvironmentProblem` when it cannot be written.
        """
        if name not in self.classes:
            raise InputError(f"class {plain_text(name)!r} is not known; give one of the {len(self.classes)} classes")
        with self._lock:
            encoded = encode_photos(self._task.opened.encoder, [picture], "read a correction")
            if encoded.broken:
                raise InputError(encoded.broken[0])
            path = (
                self.folder
                / name
                / f"{_PREFIX}{hashlib.sha256(picture.data).hexdigest()[:16]}{suffix_of(picture.data)}"
            )
            with atomic_path(path) as temporary:
                temporary.write_bytes(picture.data)
            earlier = {str(self.folder / other / path.name) for other in self.classes}
            for other in earlier - {str(path)}:
                Path(other).unlink(missing_ok=True)
            self._learn(encoded.features, self.classes.index(name), str(path), earlier)
            return path

    def _learn(self, features: Float[np.ndarray, "1 d"], label: int, origin: str, instead_of: set[str]) -> None:
        """Fit anew with one more support, without those from the files `instead_of`."""
        task = self._task
        kept = np.array([earlier not in instead_of for earlier in task.origins], bool)
        rows = np.concatenate([task.features[kept], features])
        labels = np.append(task.labels[kept], label)
        origins = (*(earlier for earlier in task.origins if earlier not in instead_of), origin)
        old = task.predictor
        predictor = fit(rows, labels, old.classes, task.opened.space, task.texts, old.settings)
        self._task = replace(task, features=rows, labels=labels, origins=origins, predictor=predictor)
