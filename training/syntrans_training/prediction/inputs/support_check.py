"""What is odd about a person's supports, as one line each with the files' names; nothing is changed.

The same picture in two classes, near-duplicates, the odd one out of a class, classes that look alike, small classes.
"""

from collections.abc import Sequence

import numpy as np

from syntrans_training.prediction.class_means import class_directions, softmax
from syntrans_training.prediction.shapes import Float, Int
from syntrans_training.prediction.space import unit

SAME = 0.98  # cosine from which two pictures are nearly the same one
ALIKE = 0.6  # cosine of two centred class directions from which they are hard to tell apart
ODD = 0.8  # probability of another class from which a left-out support is odd
SCALE = 20.0
FEW = 3
SHOWN = 10  # warnings of one kind


def check_supports(
    z: Float[np.ndarray, "n r"],
    labels: Int[np.ndarray, " n"],
    classes: Sequence[str],
    origins: Sequence[str],
    sha256: Sequence[str],
) -> list[str]:
    """Warnings about supports in their space; of each kind the first `SHOWN`, and how many more there are."""
    return [
        *_first(_same(labels, classes, origins, sha256), "pictures that are there twice"),
        *_first(_near_duplicates(z, labels, classes, origins, sha256), "pairs of nearly the same picture"),
        *_first(_odd_ones(z, labels, classes, origins), "odd ones out"),
        *_first(_alike(z, labels, classes), "pairs of classes that look alike"),
        *_small(labels, classes),
    ]


def _first(warnings: list[str], kind: str) -> list[str]:
    more = len(warnings) - SHOWN
    return warnings if more <= 0 else [*warnings[:SHOWN], f"and {more:,} more {kind}"]


def _same(
    labels: Int[np.ndarray, " n"], classes: Sequence[str], origins: Sequence[str], sha256: Sequence[str]
) -> list[str]:
    first: dict[str, int] = {}
    warnings = []
    for row, digest in enumerate(sha256):
        before = first.setdefault(digest, row)
        if before == row:
            continue
        where = f"{origins[before]} and {origins[row]}"
        if labels[before] != labels[row]:
            warnings.append(
                f"the same picture in {classes[labels[before]]} and {classes[labels[row]]}: {where}; keep one"
            )
        else:
            warnings.append(f"the same picture twice in {classes[labels[row]]}: {where}; one is enough")
    return warnings


def _near_duplicates(
    z: Float[np.ndarray, "n r"],
    labels: Int[np.ndarray, " n"],
    classes: Sequence[str],
    origins: Sequence[str],
    sha256: Sequence[str],
) -> list[str]:
    cosines = np.triu(z @ z.T, 1)
    warnings = []
    for a, b in np.argwhere(cosines > SAME):
        if sha256[a] != sha256[b]:
            both = dict.fromkeys((classes[labels[a]], classes[labels[b]]))
            warnings.append(f"nearly the same picture in {' and '.join(both)}: {origins[a]} and {origins[b]}")
    return warnings


def _odd_ones(
    z: Float[np.ndarray, "n r"], labels: Int[np.ndarray, " n"], classes: Sequence[str], origins: Sequence[str]
) -> list[str]:
    """Of classes with three and more: the other ones would take it for another class."""
    counts = np.bincount(labels, minlength=len(classes))
    directions = class_directions(z, labels, None, len(classes))
    p = softmax(SCALE * directions.left_out_scores(z, labels))
    warnings = []
    for row in np.flatnonzero((counts[labels] >= FEW) & (p.max(1) > ODD) & (p.argmax(1) != labels)).tolist():
        own, other = classes[labels[row]], classes[int(p[row].argmax())]
        warnings.append(f"odd one out in {own}: {origins[row]} looks like {other} ({p[row].max():.0%})")
    return warnings


def _alike(z: Float[np.ndarray, "n r"], labels: Int[np.ndarray, " n"], classes: Sequence[str]) -> list[str]:
    seen = np.unique(labels)
    if len(seen) < 3:  # centred, two classes are opposite whatever they show
        return []
    means = np.stack([unit(z[labels == c].mean(0)) for c in seen])
    cosines = np.triu(unit(means - means.mean(0)) @ unit(means - means.mean(0)).T, 1)
    pairs = sorted(np.argwhere(cosines > ALIKE).tolist(), key=lambda pair: -cosines[*pair])
    return [
        f"{classes[seen[a]]} and {classes[seen[b]]} look alike (cosine {cosines[a, b]:.2f}); more pictures would help"
        for a, b in pairs
    ]


def _small(labels: Int[np.ndarray, " n"], classes: Sequence[str]) -> list[str]:
    counts = np.bincount(labels, minlength=len(classes))
    small = [f"{name} ({n})" for name, n in zip(classes, counts, strict=True) if n < FEW]
    if not small:
        return []
    listed = ", ".join(small[:5]) + (f" and {len(small) - 5} more" if len(small) > 5 else "")
    return [f"few pictures: {listed}; {FEW} to 5 a class make probabilities and prediction sets much better"]
