"""In which order models are asked where they take turns in memory, so that each is loaded as seldom as it can be.

A run asks in steps, and a step waits for all of the one before: senses, proposals, votes, pictures, summaries, their
readers. A model that is asked last in one step and first in the next is loaded once for both.

One rule gives the order (`grouped`). With the shipped configs on the hardware that they are for, no division of the
models and no order loads any model less often, or fewer bytes (tests/mining/placement/test_load_order.py tries all).
Elsewhere it may take a load more than the best order: with random sizes in one case of a hundred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans_mining.config import MiningConfig


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


def grouped(sizes: Mapping[str, int], room: int, uses: ModelUses) -> tuple[list[list[str]], LoadOrder]:
    """The load groups, in the order in which they are first asked, and the order of asking.

    What is asked last (writer, VLM, readers) goes together as far as it fits, and so does the rest; a model larger than
    ``room`` is alone. LLMs vote in the opposite order of proposing, so that the last to propose stays. The writer
    proposes first: it votes last and is there for the summary, and its reader proposes last. But if the VLM does not
    fit beside the writer, neither of the two can stay for the summary: then the larger of them proposes last, unless
    the writer has come first to decide on senses.
    """
    ends = dict.fromkeys((uses.writer, uses.vlm, *uses.readers))
    asked_last = [name for name in ends if name and name in sizes]
    groups = _packed_in_order(asked_last, sizes, room)
    groups += _packed_in_order([name for name in sizes if name not in asked_last], sizes, room)
    of_llms = [llms for names in groups if (llms := [name for name in names if name in uses.llms])]
    first, last = uses.writer or uses.decider, next(iter(uses.readers), "")
    of_llms.sort(key=lambda llms: -1 if first in llms else 1 if last in llms else 0)
    apart = uses.writer and uses.vlm and not any({uses.writer, uses.vlm} <= set(names) for names in groups)
    if apart and not uses.decider and (last not in of_llms[-1] or sizes[last] <= sizes[str(uses.writer)]):
        of_llms.reverse()
    propose = tuple(name for llms in of_llms for name in llms)
    load_order = LoadOrder(propose, tuple(reversed(propose)), uses.readers)
    sequence = load_order.sequence(uses)
    return sorted(groups, key=lambda names: min(map(sequence.index, names))), load_order


def _packed_in_order(names: Sequence[str], sizes: Mapping[str, int], room: int) -> list[list[str]]:
    """Each in the first group that it fits into."""
    groups: list[list[str]] = []
    for name in names:
        group = next((g for g in groups if sum(sizes[other] for other in g) + sizes[name] <= room), None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return groups
