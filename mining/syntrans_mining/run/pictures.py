"""Choosing the pictures of each class that models see; only references travel, bytes are read where one looks.

A picture in a Parquet file is far to reach, since all before it in its row group must be unpacked: those that are
looked at are copied out once, in one pass over each file, and the copies are removed when the run ends.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.classes.entries import composed
from syntrans.contract.rows import Pictures
from syntrans.errors import InputError
from syntrans.images.image_set import ImageSet, decode_each, match_classes, open_images, read_file
from syntrans.images.parquet import Row, read
from syntrans.images.reference import UNREADABLE, Contained, ImageRef, check_broken, first_few, named_broken
from syntrans.paths import atomic_write_bytes, make_dir
from syntrans_mining.engines.base import Picture

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans.images.columns import Columns
    from syntrans.images.reference import Picture as Reference
    from syntrans_mining.config import MiningConfig


_GLANCE = 64  # a JPEG is unpacked no larger than that to see whether it is sound
COPIES = ".pictures"
"""Folder of the copies, in that of the run."""


def shown(n: int, *, per_class: int, reserve: int) -> int:
    """How many of a class's ``n`` pictures models are shown, see ``reserve`` of `ImagesConfig`."""
    return min(per_class, n - reserve if n > reserve else max(1, n // 2))


def open_pictures(source: str | Path, config: MiningConfig, entries: Sequence[ClassEntry]) -> ImageSet:
    """The pictures at ``source``, in any layout; a folder that is called like a class of the list is a class."""
    named = {composed(text) for entry in entries for text in (entry.id, entry.name)}
    return open_images(source, columns=config.images.columns, named=named)


def pictures_of(
    config: MiningConfig,
    entries: Sequence[ClassEntry],
    images: Mapping[str, Sequence[Reference]] | None,
    copies: Path,
    say: Callable[[str], None],
    broken: list[str] | None = None,
) -> dict[str, list[Picture]]:
    """The pictures of each class that CLIP or the vision-language model is shown; none without ``images``.

    ``copies``: a folder for those of Parquet files. What is skipped or passed over goes to ``say``; what is wrong with
    each picture that was skipped, to ``broken``.
    """
    if images is None:
        return {}
    matched = match_classes(images, entries)
    if isinstance(images, ImageSet) and images.passed_over:
        say(str(images.passed_over))
    return choose_pictures(
        matched,
        per_class=max(config.filter.images, config.ground.images),
        seed=config.seed,
        reserve=config.images.reserve,
        copies=copies,
        max_broken_share=config.images.max_broken_share,
        say=say,
        broken=broken,
    )


def check_pictures(images: str, config: MiningConfig, entries: Sequence[ClassEntry]) -> None:
    """InputError where a run would refuse these pictures: they are opened, matched and decoded as it would.

    Those of all classes are found, those of ``entries`` are read.
    """
    with tempfile.TemporaryDirectory() as copies:
        pictures_of(config, entries, open_pictures(images, config, entries), Path(copies), lambda _: None)


def choose_pictures(
    images: Mapping[str, Sequence[Reference]],
    *,
    per_class: int,
    seed: int,
    reserve: int = 0,
    copies: Path | None = None,
    max_broken_share: float = 0.05,
    say: Callable[[str], None] = lambda _: None,
    broken: list[str] | None = None,
) -> dict[str, list[Picture]]:
    """At most ``per_class`` pictures of each class, by class id; ``reserve`` of each are shown to nobody.

    Drawn by a hash of seed and content: the same whatever the order of files, and a larger ``per_class`` takes the same
    ones and more. Copies of one picture count once. The next ones take the places of broken ones, which go to ``say``
    once and to ``broken``; InputError where there are too many (see `check_broken`), or a class has no other. With a
    folder ``copies`` those in Parquet files and archives are copied there.
    """
    drawn = {class_id: _drawn(refs, seed) for class_id, refs in images.items()}
    most = {c: shown(len(refs), per_class=per_class, reserve=reserve) for c, refs in drawn.items()}
    chosen: dict[str, list[Picture]] = {class_id: [] for class_id in drawn}
    broken = [] if broken is None else broken
    while True:
        next_ones = {c: refs[: most[c] - len(chosen[c])] for c, refs in drawn.items()}
        drawn = {c: refs[len(next_ones[c]) :] for c, refs in drawn.items()}
        if not any(next_ones.values()):
            break
        for class_id, refs in (next_ones if copies is None else _copied(next_ones, copies)).items():
            chosen[class_id] += _sound(refs, broken)
    broken.sort()
    n = sum(map(len, chosen.values())) + len(broken)
    check_broken(broken, n, share=max_broken_share, what="the classes", key="images.max_broken_share")
    if lost := [class_id for class_id, pictures in chosen.items() if images[class_id] and not pictures]:
        raise InputError(f"no picture of {first_few(lost)} can be read: {named_broken(broken)}")
    if broken:
        say(f"skipped {len(broken)} broken pictures: {named_broken(broken)}")
    return chosen


def _sound(refs: Sequence[Reference], broken: list[str]) -> list[Picture]:
    """Those that can be decoded; what is wrong with the others goes to ``broken``."""
    sound = []
    for ref, image in decode_each(refs, at_least=_GLANCE):
        if isinstance(image, InputError):
            broken.append(str(image))
        else:
            sound.append(Picture(ref.sha256, ref.load))
    return sound


def _drawn(refs: Sequence[Reference], seed: int) -> list[Reference]:
    """The distinct pictures of a class, in the order in which they are drawn; unreadable ones are all distinct."""
    distinct = {ref.origin if ref.sha256 == UNREADABLE else ref.sha256: ref for ref in refs}
    return [distinct[key] for key in sorted(distinct, key=lambda key: _draw(seed, key))]


def _copied(chosen: Mapping[str, Sequence[Reference]], folder: Path) -> dict[str, list[Reference]]:
    """The same, with those that lie in another file read from copies in ``folder``."""
    every = (ref for refs in chosen.values() for ref in refs)
    inside = {ref.sha256: ref for ref in every if isinstance(ref.load, Contained) and ref.sha256 != UNREADABLE}
    rows: dict[tuple[Path, Columns], dict[int, str]] = {}
    if inside:
        make_dir(folder)
    for sha256, ref in inside.items():
        if isinstance(ref.load, Row):
            rows.setdefault((ref.load.path, ref.load.columns), {})[ref.load.number] = sha256
        else:
            atomic_write_bytes(folder / sha256, ref.load())
    for (path, columns), shas in rows.items():
        for number, load in read(path, shas, columns):
            atomic_write_bytes(folder / shas[number], load())
    return {
        class_id: [
            ImageRef(class_id, ref.sha256, partial(read_file, folder / ref.sha256), ref.origin)
            if ref.sha256 in inside
            else ref
            for ref in refs
        ]
        for class_id, refs in chosen.items()
    }


def _draw(seed: int, key: str) -> str:
    return hashlib.sha256(f"{seed}\n{key}".encode()).hexdigest()


def pictures_used(
    path: str | None, images: Mapping[str, Sequence[Reference]] | None, entries: Sequence[ClassEntry]
) -> Pictures | None:
    """What the files say about the pictures at ``path``: all of the classes, looked at or not; None without any."""
    if path is None or images is None:
        return None
    of_classes = match_classes(images, entries).values()
    hashes = sorted(ref.sha256 for refs in of_classes for ref in refs)
    return Pictures(path=path, images=len(hashes), sha256=hashlib.sha256("".join(hashes).encode()).hexdigest())
