"""Captions of training pictures: as many attributes as the text tower reads, in any order and either phrasing."""

import random
from typing import Any

from syntrans_world.build.clip import CONTEXT, TEMPLATE
from syntrans_world.spec import PHRASES, SLOTS, VALUES

FEWEST = 3
DROPPED = 0.1  # share of captions that say nothing, so that guidance can be free of a classifier


def caption(rng: random.Random, attributes: list[int], count: dict[str, int]) -> str:
    """Three to six attributes of a picture; the last ones are left out where the text tower would cut them off.

    `count` is the length in tokens of every phrase (`phrase_lengths`).
    """
    if rng.random() < DROPPED:
        return ""
    slots = rng.sample(range(len(SLOTS)), rng.choice((FEWEST, 4, 5, 6, 6)))
    phrases = [rng.choice(PHRASES[SLOTS[i]][VALUES[SLOTS[i]][attributes[i]]]) for i in slots]
    return TEMPLATE.format(descriptor=", ".join(fitting(phrases, count)))


def fitting(phrases: list[str], count: dict[str, int]) -> list[str]:
    """The first phrases that fit the context together with the template and commas."""
    room, kept = CONTEXT - count[""], list[str]()
    for phrase in phrases:
        room -= count[phrase] + bool(kept)
        if room < 0:
            break
        kept.append(phrase)
    return kept


def phrase_lengths(tokenizer: Any) -> dict[str, int]:
    """Tokens of every phrase of the world; of "" those of the template with start and end."""
    phrases = [text for values in PHRASES.values() for pair in values.values() for text in pair]
    lengths = {text: len(tokenizer(" " + text, add_special_tokens=False).input_ids) for text in phrases}
    return lengths | {"": len(tokenizer(TEMPLATE.format(descriptor="").strip()).input_ids)}
