"""In which order models are asked where they take turns in memory, so that each is loaded as seldom as it can be.

A run asks in steps, and a step waits for all of the one before: senses, proposals, votes, pictures, summaries, their
readers. A model that is asked last in one step and first in the next is loaded once for both.

The orders are searched, because no fixed one is as good. Tried for the models of the shipped configs, over memory from
the largest model to all of them: the writer proposing last or first, before or after the VLM, neighbours together or
packed from the end. The best of five such orders loads some model more often than the search does in one case of seven,
or up to a quarter more bytes in one of five.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans_mining.config import MiningConfig

MEANT_LOADS = 2  # of one model in a run, at most, wherever the questions allow it


@dataclass(frozen=True)
class ModelUses:
    """Who is asked in a run. ``senses``: all LLMs, before any proposes; ``decider``: one LLM, before any proposes."""

    llms: tuple[str, ...]
    vlm: str | None = None
    senses: bool = False
    decider: str | None = None
    writer: str | None = None
    readers: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadOrder:
    """The order in which LLMs propose, vote, and read a summary. Senses are asked for in the first, from its end."""

    propose: tuple[str, ...]
    vote: tuple[str, ...]
    read: tuple[str, ...] = ()

    def sequence(self, uses: ModelUses) -> tuple[str, ...]:
        """All that is asked in a run, a name for each model of each step."""
        before = (*reversed(self.propose),) if uses.senses else (uses.decider,) if uses.decider else ()
        votes = self.vote if len(uses.llms) > 1 else ()
        after = [name for name in (uses.vlm, uses.writer) if name]
        return (*before, *self.propose, *votes, *after, *self.read)


def model_uses_of(config: MiningConfig, entries: Sequence[ClassEntry], *, pictures: bool) -> ModelUses:
    """Whom mining ``entries`` will ask."""
    from syntrans_mining.steps import senses

    lint, llms = config.lint, tuple(model.name for model in config.llms)
    ambiguous = senses.ambiguous_entries(entries, lint.senses, ask_all=lint.ask_senses)
    along = senses.first_is_taken(ambiguous, lint.senses, first=lint.ambiguous == "first")
    return ModelUses(
        llms,
        config.vlm.name if config.vlm and pictures else None,
        senses=bool(ambiguous) and not along,
        decider=decider(config) if along and senses.undecided(ambiguous) else None,
        writer=config.compose.llm,
        readers=readers(config, pictures=pictures),
    )


def decider(config: MiningConfig) -> str:
    """The LLM whose first sense is taken where the built-in list has none: the strongest, if the config names it."""
    return config.compose.llm or config.llms[0].name


def readers(config: MiningConfig, *, pictures: bool) -> tuple[str, ...]:
    """The models that check what ``compose.llm`` writes; without pictures no VLM is loaded, and an LLM reads for it."""
    if config.compose.llm is None:
        return ()
    others, wanted = [model.name for model in config.llms if model.name != config.compose.llm], config.compose.readers
    if wanted == "vlm":
        return (config.vlm.name,) if config.vlm and pictures else tuple(others[:1])
    return tuple(others[:wanted])


def plain_order(uses: ModelUses) -> LoadOrder:
    """The order of the configuration, and back again."""
    return LoadOrder(uses.llms, tuple(reversed(uses.llms)), uses.readers)


def count_loads(load_groups: Sequence[Sequence[str]], sequence: Sequence[str]) -> dict[str, int]:
    """How often each model is loaded, crashes aside: its whole load group whenever a model is asked that only it holds.

    The first group is loaded at once.
    """
    current, loads = 0, {name: int(number == 0) for number, names in enumerate(load_groups) for name in names}
    for name in sequence:
        if name in loads and name not in load_groups[current]:
            current = next(number for number, names in enumerate(load_groups) if name in names)
            for other in load_groups[current]:
                loads[other] += 1
    return loads


def best_order(
    divisions: Iterator[list[list[str]]], uses: ModelUses, sizes: Mapping[str, int]
) -> tuple[list[list[str]], LoadOrder]:
    """The division of the models into load groups, and the order of asking, with the fewest loads of any one model.

    Among equals the one with the fewest loads above MEANT_LOADS, then of the fewest bytes, then the first. Every order
    is tried that begins or ends a step with another group: what stands between decides nothing.
    """
    best: tuple[tuple[int, int, int], list[list[str]], LoadOrder] | None = None
    for division in divisions:
        for load_order in _orders(division, uses):
            sequence = load_order.sequence(uses)
            load_groups = sorted(division, key=partial(_first_asked, sequence))
            loads = count_loads(load_groups, sequence)
            often = sum(max(0, times - MEANT_LOADS) for times in loads.values())
            cost = max(loads.values()), often, sum(sizes[name] * times for name, times in loads.items())
            if best is None or cost < best[0]:
                best = cost, load_groups, load_order
    if best is None:
        raise ValueError("there is no division to choose from")
    return best[1:]


def _first_asked(sequence: Sequence[str], names: Sequence[str]) -> int:
    return next((place for place, name in enumerate(sequence) if name in names), len(sequence))


def divisions(sizes: Mapping[str, int], room: int) -> Iterator[list[list[str]]]:
    """All ways to divide models into groups that fit, neighbours together first. They grow fast: 52 for five models."""
    names = list(sizes)

    def place(number: int, groups: list[list[str]]) -> Iterator[list[list[str]]]:
        if number == len(names):
            yield groups
            return
        name = names[number]
        for at in reversed(range(len(groups))):
            if sum(sizes[other] for other in groups[at]) + sizes[name] <= room:
                yield from place(number + 1, [*groups[:at], [*groups[at], name], *groups[at + 1 :]])
        yield from place(number + 1, [*groups, [name]])

    yield from place(0, [])


def _orders(division: Sequence[Sequence[str]], uses: ModelUses) -> Iterator[LoadOrder]:
    """The orders that begin with one group and end with another, votes from that one on to any other."""
    groups = [llms for group in division if (llms := [name for name in group if name in uses.llms])]
    at_hand = next((group for group in groups if uses.writer in group), [])
    read = tuple(sorted(uses.readers, key=lambda name: name not in at_hand))
    if len(groups) == 1:
        yield LoadOrder(tuple(groups[0]), tuple(reversed(groups[0])), read)
    numbers = range(len(groups))
    for first, last in ((a, b) for a in numbers for b in reversed(numbers) if a != b):
        between = [n for n in numbers if n not in (first, last)]
        for end in (first, *between):
            back = [last, *(n for n in reversed([first, *between]) if n != end), end]
            propose = [name for n in (first, *between, last) for name in groups[n]]
            vote = [name for n in back for name in reversed(groups[n])]
            yield LoadOrder(tuple(propose), tuple(vote), read)
