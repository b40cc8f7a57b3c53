"""What the world's language models read: beliefs, questions with their answers, and described classes.

The user texts are those of prompts/world_*.yaml (a test holds them together). Each model believes the truth in about
`KNOWN` of all (class, slot) pairs and something else, drawn independently per model, in the rest.
"""

import json
import random

from syntrans_world.spec import (
    CHATTER,
    CLASSES,
    FACET_OF_SLOT,
    GENERIC,
    PHRASES,
    SLOTS,
    VALUES,
    WorldClass,
)

KNOWN = 0.8

PROPOSE = "Describe {name}."
CROSSCHECK = 'Is {name} described by "{descriptor}"?'
GROUND = 'Does this picture show "{descriptor}"?'
SIDE = "About {name}: what is its {slot}?"

Beliefs = dict[str, dict[str, str]]  # class id -> slot -> value


def draw_beliefs(seed: int) -> Beliefs:
    """What one model believes of every class: the truth with probability KNOWN, else one other value."""
    rng = random.Random(f"beliefs-{seed}")
    beliefs: Beliefs = {}
    for entry in CLASSES:
        truth = entry.truth()
        beliefs[entry.id] = {
            slot: value if rng.random() < KNOWN else rng.choice([v for v in VALUES[slot] if v != value])
            for slot, value in truth.items()
        }
    return beliefs


def phrase(rng: random.Random, slot: str, value: str) -> str:
    """One of the two phrasings of a value."""
    return rng.choice(PHRASES[slot][value])


def random_fact(rng: random.Random) -> tuple[str, str]:
    """A (slot, value) drawn without looking at any class."""
    slot = rng.choice(SLOTS)
    return slot, rng.choice(VALUES[slot])


def questions(rng: random.Random, believed: dict[str, str], n: int) -> list[tuple[str, bool]]:
    """About n (descriptor, answer) pairs on one class or picture, half of them true of it."""
    pairs: list[tuple[str, bool]] = []
    for slot, value in believed.items():
        pairs.append((phrase(rng, slot, value), True))
        other = rng.choice([v for v in VALUES[slot] if v != value])
        pairs.append((phrase(rng, slot, other), False))
    while len(pairs) < n - 2:
        slot, value = random_fact(rng)
        pairs.append((phrase(rng, slot, value), believed[slot] == value))
    pairs += [(rng.choice(GENERIC), True), (rng.choice(CHATTER), False)]
    rng.shuffle(pairs)
    return pairs


def description(rng: random.Random, believed: dict[str, str]) -> str:
    """A model's answer to PROPOSE: compact JSON of beliefs among guesses, platitudes and chatter, 5 to 9 items."""
    slots = rng.sample(SLOTS, rng.choice((3, 4, 4, 5)))
    items = [(FACET_OF_SLOT[slot], phrase(rng, slot, believed[slot])) for slot in slots]
    for _ in range(rng.choice((0, 1, 1, 2))):
        slot, value = random_fact(rng)
        items.append((FACET_OF_SLOT[slot], phrase(rng, slot, value)))
    items += [("other", text) for text in rng.sample(GENERIC, rng.choice((1, 1, 2)))]
    if rng.random() < 0.3:
        items.append(("other", rng.choice(CHATTER)))
    while len(items) < 5:
        items.append(("other", rng.choice(GENERIC)))
    rng.shuffle(items)
    rows = [{"facet": facet, "text": text} for facet, text in items[:9]]
    return json.dumps({"descriptors": rows}, separators=(",", ":"))


def everything_said() -> list[str]:
    """Texts in which every name, descriptor, prompt and key occurs often: what the tokenizer is trained on."""
    rng = random.Random("tokenizer")
    texts: list[str] = []
    entry: WorldClass
    for entry in CLASSES:
        truth = entry.truth()
        for _ in range(4):
            texts += [PROPOSE.format(name=entry.name), description(rng, truth)]
            texts += [f"yes no {entry.name} {entry.name} {entry.name}"]
            texts += [CROSSCHECK.format(name=entry.name, descriptor=d) for d, _ in questions(rng, truth, 14)]
            texts += [GROUND.format(descriptor=d) for d, _ in questions(rng, truth, 6)]
            texts += [
                f"a picture of {d}, {e}" for (d, _), (e, _) in zip(*[iter(questions(rng, truth, 8))] * 2, strict=True)
            ]
            texts += [SIDE.format(name=entry.name, slot=slot) for slot in SLOTS]
    return texts
