"""Dividing a person's own classes into base, val and novel, by chance: `data.split_file: auto`, or shares of them."""

import random
import re
from collections.abc import Sequence

from syntrans.classes.entries import composed
from syntrans.errors import InputError, UsageError
from syntrans.images.folders import PARTS
from syntrans_training.data.class_split import ClassSplit

AUTO = "auto"
LESS = "; with fewer, `syntrans predict --support DIR --query DIR` names pictures"
LEAST = {"base": 4, "val": 2, "novel": 2}  # heads are trained on tasks of half of the base classes; a task has two
_SHARES = re.compile(r"[\d.]+(/[\d.]+)+")


def by_chance(word: str | None) -> bool:
    """Whether this `data.split_file` divides the classes by chance: `auto`, or shares such as 0.6/0.2/0.2."""
    return word is not None and (word == AUTO or _SHARES.fullmatch(word) is not None)


def divide_classes(keys: Sequence[str], word: str, *, seed: int) -> ClassSplit:
    """The classes, shuffled by the seed and cut; the same ones whatever their order.

    `auto` gives val and novel a fifth of the classes each, and a quarter where a fifth makes fewer than five, so that
    5-way tasks can be had; base has the rest. InputError where there are too few classes for any training.
    """
    if len(keys) < sum(LEAST.values()):
        raise InputError(
            f"{len(keys)} classes are too few for a training: base needs {LEAST['base']}, val and novel "
            f"{LEAST['val']} each ({sum(LEAST.values())} in all); add classes{LESS}"
        )
    sizes = _automatic(len(keys)) if word == AUTO else _by_shares(len(keys), _shares(word))
    order = sorted(keys)
    random.Random(seed).shuffle(order)
    ends = (sizes[0], sizes[0] + sizes[1], len(keys))
    parts = zip(PARTS, (order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] :]), strict=True)
    return ClassSplit(
        f"split {word}, seed {seed}", {name: {key: composed(key) for key in sorted(part)} for name, part in parts}
    )


def _automatic(n: int) -> tuple[int, int, int]:
    small = max(LEAST["val"], min(5, n // 4), round(n / 5))
    return n - 2 * small, small, small


def _by_shares(n: int, shares: tuple[float, float, float]) -> tuple[int, int, int]:
    """Whole numbers of classes next to the shares: those that lose most by rounding down get what is left."""
    exact = [share * n for share in shares]
    sizes = [int(size) for size in exact]
    for i in sorted(range(3), key=lambda i: sizes[i] - exact[i])[: n - sum(sizes)]:
        sizes[i] += 1
    return sizes[0], sizes[1], sizes[2]


def _shares(word: str) -> tuple[float, float, float]:
    rule = "write three shares of base, val and novel that make 1, such as 0.6/0.2/0.2"
    try:
        shares = [float(share) for share in word.split("/")]
    except ValueError as error:
        raise UsageError(f"split {word!r}: {rule}") from error
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise UsageError(f"split {word!r}: {rule}")
    return shares[0], shares[1], shares[2]
