"""The world's fine-grained classes: species of one genus, in families whose members differ in exactly one attribute.

The hundred classes of `spec.py` differ in three slots at least, so that none of them is fine-grained. Here all classes
share outline, background and size. A family has one class for every value of one slot and is alike in the rest:
members of a family of `data.path: world-fine/shape` differ in shape alone (also fill and pattern; the other slots have
too few values for a 5-way task). Base has several families, val and novel one each: any two classes of val, and any
two of novel, differ in that one attribute, and no family is in two splits. Everything follows from slot and seed.

What is true of the classes, as `syntrans import --format jsonl` reads it:
    python -m syntrans_world.fine shape > world-fine.jsonl
"""

import itertools
import json
import random
import sys
from collections.abc import Iterator
from functools import cache

from syntrans_world.spec import CLASSES, FACET_OF_SLOT, PHRASES, SLOTS, VALUES, WorldClass, draw_names

FINE_SEED = 11
FINE_SLOTS = tuple(slot for slot in SLOTS if len(VALUES[slot]) >= 5)
GENUS = {"outline": "dark", "background": "sand", "size": "large"}
FAMILIES = {"base": 8, "val": 1, "novel": 1}


@cache
def fine_classes(slot: str) -> tuple[WorldClass, ...]:
    """All classes of the fine world of a slot, family by family, in the order base, val, novel."""
    rng = random.Random(f"{FINE_SEED} {slot}")
    families = _draw_families(rng, slot)
    codes = [tuple(VALUES[s].index({**rest, slot: v}[s]) for s in SLOTS) for rest in families for v in VALUES[slot]]
    names = draw_names(rng, len(codes), taken=frozenset(entry.name for entry in CLASSES))
    splits = [split for split, count in FAMILIES.items() for _ in range(count * len(VALUES[slot]))]
    return tuple(
        WorldClass(id=f"{slot}{i:03d}", name=name, split=split, attributes=code)  # type: ignore[arg-type]
        for i, (name, split, code) in enumerate(zip(names, splits, codes, strict=True))
    )


def _draw_families(rng: random.Random, slot: str) -> list[dict[str, str]]:
    """What each family has in common: the genus and a value of every other slot."""
    free = [s for s in SLOTS if s not in GENUS and s != slot]
    products = itertools.product(*(VALUES[s] for s in free))
    everything = [{**GENUS, **dict(zip(free, values, strict=True))} for values in products]
    return rng.sample(everything, sum(FAMILIES.values()))


def descriptions(slot: str) -> Iterator[str]:
    """A line of JSON for every true statement, in both phrasings."""
    for entry in fine_classes(slot):
        for of, value in entry.truth().items():
            for text in PHRASES[of][value]:
                line = {"class": entry.name, "text": text, "facet": FACET_OF_SLOT[of], "author": "truth"}
                yield json.dumps({**line, "prompt": "world-fine"})


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in FINE_SLOTS:
        sys.exit(f"usage: python -m syntrans_world.fine {'|'.join(FINE_SLOTS)}")
    sys.stdout.writelines(f"{line}\n" for line in descriptions(sys.argv[1]))
