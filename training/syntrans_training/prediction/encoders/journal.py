"""Features kept beside `--out` while many pictures are read, so that a command that was stopped goes on.

A hidden folder of safetensors files, `EVERY` pictures each, named by their sha256. Only files of the very
same encoder count: it is known by what it says of a grey picture.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from syntrans.images.reference import Picture
from syntrans.paths import atomic_path
from syntrans.progress import say
from syntrans_training.prediction.encoders.pipeline import Encoded, ImageEncoder, Keep, fingerprint
from syntrans_training.prediction.shapes import Float

EVERY = 1024
_NAME_BYTES = 200  # of the results' name in the folder's; names end at 255


class FeatureJournal:
    """`features` are those it holds, by picture; `add` keeps more of them, `save` writes what is not yet on disk."""

    def __init__(self, folder: Path, encoder: ImageEncoder) -> None:
        self.folder, self._encoder = folder, fingerprint(encoder)
        self.features = self._read()
        self._kept = len(self.features)
        self._new: dict[str, Float[np.ndarray, " d"]] = {}

    def add(self, names: Sequence[str], features: Float[np.ndarray, "n d"]) -> None:
        """More features of pictures."""
        self._new.update(zip(names, features, strict=True))
        if len(self._new) >= EVERY:
            self.save()

    def save(self) -> int:
        """Raises `EnvironmentProblem` where the disk takes no more; returns how many pictures the folder holds."""
        from safetensors.numpy import save_file

        if self._new:
            digest = hashlib.sha256("".join(self._new).encode()).hexdigest()[:16]
            pictures, features = json.dumps([*self._new]), np.stack([*self._new.values()])
            note = {"encoder": self._encoder, "pictures": pictures, "sha256": _checksum(pictures, features)}
            with atomic_path(self.folder / f"{digest}.safetensors") as temporary:
                save_file({"features": features}, str(temporary), metadata=note)
        self._kept, self._new = self._kept + len(self._new), {}
        return self._kept

    def remove(self) -> None:
        """The results are written, so that nothing is left to go on with."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self) -> dict[str, Float[np.ndarray, " d"]]:
        from safetensors import SafetensorError, safe_open

        by_picture: dict[str, Float[np.ndarray, " d"]] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                with safe_open(str(path), framework="numpy") as file:
                    note = file.metadata() or {}
                    if note["encoder"] != self._encoder:
                        continue
                    features = _checked(file.get_tensor("features"), note)
                    by_picture.update(zip(json.loads(note["pictures"]), features, strict=True))
            except (SafetensorError, OSError, KeyError, ValueError) as error:
                say(f"passed over: {path} ({error})")
        return by_picture


def _checked(features: Float[np.ndarray, "n d"], note: dict[str, str]) -> Float[np.ndarray, "n d"]:
    if note["sha256"] != _checksum(note["pictures"], features):
        raise ValueError("its features do not give their checksum")
    return features


def _checksum(pictures: str, features: Float[np.ndarray, "n d"]) -> str:
    return hashlib.sha256(
        pictures.encode() + f"{features.dtype}{features.shape}".encode() + features.tobytes()
    ).hexdigest()


def journal_folder(out: Path) -> Path:
    """Where the features for the results `out` are kept."""
    name = os.fsencode(out.name)
    if len(name) <= _NAME_BYTES:
        return out.with_name(f".{out.name}.partial")
    return out.with_name(f".{hashlib.sha256(name).hexdigest()[:16]}.partial")


def encode_resumably(
    encode: Callable[[Sequence[Picture], Keep], Encoded], pictures: Sequence[Picture], journal: FeatureJournal
) -> Encoded:
    """As `encode`, without those that the journal knows; what was read until a stop is kept in it."""
    kept = journal.features
    missing = [row for row, picture in enumerate(pictures) if picture.sha256 not in kept]
    if len(missing) < len(pictures):
        say(f"{len(pictures) - len(missing)} pictures were read before the last stop")

    def keep(rows: Sequence[int], features: Float[np.ndarray, "n d"]) -> None:
        journal.add([pictures[missing[row]].sha256 for row in rows], features)

    try:
        read = encode([pictures[row] for row in missing], keep)
    except BaseException:
        if saved := journal.save():
            say(f"{saved} pictures are kept in {journal.folder}; the same command goes on from there")
        raise
    by_row = {missing[row]: features for row, features in zip(read.rows, read.features, strict=True)}
    by_row |= {row: kept[picture.sha256] for row, picture in enumerate(pictures) if picture.sha256 in kept}
    rows = tuple(sorted(by_row))
    features = np.stack([by_row[row] for row in rows]) if rows else read.features
    return Encoded(features, rows, {missing[row]: why for row, why in read.broken.items()})
