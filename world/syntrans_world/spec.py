"""What exists in the world: six visual slots, the words for their values, and a hundred invented classes.

Everything follows from `WORLD_SEED`; nothing here needs torch. Each class has one value per slot, and any two
classes differ in at least `MIN_DISTANCE` slots. A picture shows each attribute of its class only *typically*:
with probability `REDRAW` a slot is drawn anew, so that pictures alone do not settle the class (few-shot would be
solved otherwise).
"""

import itertools
import random
from dataclasses import dataclass
from functools import cache
from typing import Literal

WORLD_SEED = 7
MIN_DISTANCE = 3
REDRAW = 0.35
SPLIT_SIZES = {"base": 64, "val": 16, "novel": 20}

Split = Literal["base", "val", "novel"]

# slot -> value -> two phrasings. The order of slots is that of the attribute vectors everywhere here.
PHRASES: dict[str, dict[str, tuple[str, str]]] = {
    "shape": {
        "circle": ("a circle shape", "a fully round body"),
        "square": ("a square shape", "a body with four equal sides"),
        "triangle": ("a triangle shape", "a body with three corners"),
        "diamond": ("a diamond shape", "a body standing on its corner"),
        "star": ("a star shape", "a body with five points"),
        "cross": ("a cross shape", "a body with four arms"),
        "heart": ("a heart shape", "a body with two lobes"),
        "crescent": ("a crescent shape", "a curved moon body"),
    },
    "fill": {
        colour: (f"a {colour} body", f"{colour} colouring")
        for colour in ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
    },
    "pattern": {
        "plain": ("a plain surface", "no markings at all"),
        "striped": ("a striped surface", "parallel bands"),
        "dotted": ("a dotted surface", "many small spots"),
        "checked": ("a checked surface", "a chessboard of tiles"),
        "ringed": ("a ringed surface", "nested rings"),
    },
    "outline": {
        "none": ("no outline", "soft open edges"),
        "dark": ("a dark outline", "a thick black edge"),
        "pale": ("a pale outline", "a thick white edge"),
        "double": ("a double outline", "an edge of black and white"),
    },
    "background": {
        "sand": ("a sand background", "seen on dry sand"),
        "slate": ("a slate background", "seen on grey stone"),
        "moss": ("a moss background", "seen on green moss"),
        "night": ("a night background", "seen at night"),
    },
    "size": {
        "small": ("a small size", "much empty space around it"),
        "large": ("a large size", "filling most of the frame"),
    },
}
SLOTS = tuple(PHRASES)
VALUES: dict[str, tuple[str, ...]] = {slot: tuple(values) for slot, values in PHRASES.items()}

# How a slot is called in the contract.
FACET_OF_SLOT = {
    "shape": "shape",
    "fill": "colour",
    "pattern": "texture",
    "outline": "part",
    "background": "context",
    "size": "size",
}

# Statements that language models like to make and that tell no class from another.
GENERIC = (
    "an interesting look",
    "a typical example of its kind",
    "a recognisable appearance",
    "visible details",
    "a distinct character",
    "many variations",
    "a natural look",
    "commonly seen in pictures",
)
CHATTER = (
    "as a language model",
    "hard to say for sure",
    "here is a list",
    "please see above",
)


@dataclass(frozen=True)
class WorldClass:
    """One invented class: its id, its name, its split and its value index in each slot (order of `SLOTS`)."""

    id: str
    name: str
    split: Split
    attributes: tuple[int, ...]

    def truth(self) -> dict[str, str]:
        """Slot -> true value."""
        return {slot: VALUES[slot][index] for slot, index in zip(SLOTS, self.attributes, strict=True)}


def distance(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """Number of slots in which two attribute vectors differ."""
    return sum(a != b for a, b in zip(first, second, strict=True))


def _draw_code(rng: random.Random, n: int) -> list[tuple[int, ...]]:
    """Draw n attribute vectors at pairwise distance >= MIN_DISTANCE (greedy over a shuffled product)."""
    everything = list(itertools.product(*(range(len(VALUES[slot])) for slot in SLOTS)))
    rng.shuffle(everything)
    chosen: list[tuple[int, ...]] = []
    for candidate in everything:
        if all(distance(candidate, other) >= MIN_DISTANCE for other in chosen):
            chosen.append(candidate)
            if len(chosen) == n:
                return chosen
    raise RuntimeError(f"only {len(chosen)} of {n} classes fit at distance {MIN_DISTANCE}: change WORLD_SEED")


def draw_names(rng: random.Random, n: int, *, taken: frozenset[str] = frozenset()) -> list[str]:
    """Draw n pronounceable two-syllable names, no one contained in another, none of them `taken`."""
    onsets: tuple[str, ...] = ("b", "br", "d", "dr", "f", "fl", "g", "gl", "k", "kr", "l")
    onsets += ("m", "n", "p", "pr", "r", "s", "st", "t", "tr", "v", "z")
    vowels = tuple("aeiou")
    codas = tuple("klmnprstx")
    names: list[str] = []
    while len(names) < n:
        name = "".join(rng.choice(part) for part in (onsets, vowels, codas[:6], vowels, codas))
        if name not in taken and not any(name in other or other in name for other in names):
            names.append(name)
    return names


@cache
def classes() -> tuple[WorldClass, ...]:
    """All classes of the world, in the order base, val, novel."""
    rng = random.Random(WORLD_SEED)
    total = sum(SPLIT_SIZES.values())
    codes, names = _draw_code(rng, total), draw_names(rng, total)
    splits = [split for split, size in SPLIT_SIZES.items() for _ in range(size)]
    return tuple(
        WorldClass(id=f"w{i:03d}", name=name, split=split, attributes=code)  # type: ignore[arg-type]
        for i, (name, split, code) in enumerate(zip(names, splits, codes, strict=True))
    )


CLASSES = classes()
