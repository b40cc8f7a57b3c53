"""Senses: a class name that means several things is settled before anything is asked about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from syntrans.classes.entries import ClassEntry
from syntrans.classes.lint import homonyms, is_settled, normalised
from syntrans.classes.match import match
from syntrans.contract.rows import normalise_text
from syntrans.errors import InputError
from syntrans_mining.engines.base import Request, Response, Sampling
from syntrans_mining.requests.build import build_request
from syntrans_mining.steps.failures import clean_text

if TYPE_CHECKING:
    from syntrans_mining.models import Model
    from syntrans_mining.requests.dispatcher import Dispatcher
    from syntrans_mining.requests.prompts import Prompt

STEP = "lint"
GREEDY = Sampling(max_tokens=300)
BUILT_IN = "known homonyms"
Choice = int | str


@dataclass(frozen=True)
class Sense:
    """One meaning of a name, and who knows it."""

    text: str
    known_to: tuple[str, ...]


def ambiguous_entries(
    entries: Sequence[ClassEntry], chosen: Mapping[str, Choice], *, ask_all: bool
) -> list[ClassEntry]:
    """The classes whose sense nothing settles: known homonyms, or (``ask_all``) every name without a definition.

    ``chosen`` is by id or name; a text there is a definition already, a number needs the list.
    """
    choice = _choices(entries, chosen)
    return [
        entry
        for entry in entries
        if not is_settled(entry)
        and not isinstance(choice.get(entry.id), str)
        and (ask_all or normalised(entry.name) in homonyms())
    ]


def undecided(entries: Sequence[ClassEntry]) -> list[ClassEntry]:
    """Those of which the built-in list knows no sense."""
    return [entry for entry in entries if normalised(entry.name) not in homonyms()]


def first_is_taken(entries: Sequence[ClassEntry], chosen: Mapping[str, Choice], *, first: bool) -> bool:
    """Whether the first sense of each name settles it, so that nobody need wait for what all models know."""
    return first and not any(isinstance(choice, int) for choice in _choices(entries, chosen).values())


class SenseQuery:
    """What the models take the names of ``entries`` to mean; ``models`` are in the order of the list that is shown."""

    def __init__(self, entries: Sequence[ClassEntry], models: Sequence[Model], prompt: Prompt) -> None:
        self._entries, self._models, self._prompt = entries, models, prompt
        self._said: dict[str, dict[str, list[str]]] = {entry.id: {} for entry in entries}
        self._asked: set[tuple[str, str]] = set()

    def requests(
        self, model: Model, entries: Sequence[ClassEntry] | None = None
    ) -> Iterator[tuple[Callable[[Response], None], Request]]:
        """What ``model`` has not been asked yet (about ``entries``), each with who takes the answer."""
        for entry in self._entries if entries is None else entries:
            if (entry.id, model.name) not in self._asked:
                self._asked.add((entry.id, model.name))
                yield partial(self._hear, entry, model), _request(entry, model, self._prompt)

    def ask(self, dispatcher: Dispatcher, models: Sequence[Model], entries: Sequence[ClassEntry] | None = None) -> None:
        """Ask ``models``, one after the other, and wait for their answers."""
        requests = (pair for model in models for pair in self.requests(model, entries))
        for hear, response in dispatcher.stream(STEP, requests):
            hear(response)

    def first(self, entry: ClassEntry, model: Model) -> str | None:
        """The sense that stands first: the built-in list's, or else that of ``model`` if it knows several."""
        if entry.id not in self._said:
            return None
        of_name = homonyms().get(normalised(entry.name), ()) or self._said[entry.id].get(model.name, [])
        return of_name[0] if len(of_name) > 1 else None

    def by_class(self) -> dict[str, list[Sense]]:
        """Every sense of the ambiguous names, by class id: those of the built-in list first, then model by model.

        A name that only the models were asked about counts as ambiguous, and is in the result, if at least half of
        those that answered know several senses.
        """
        by_class = {}
        for entry in self._entries:
            said = self._said[entry.id]
            answers = {model.name: said[model.name] for model in self._models if model.name in said}
            several = sum(len(senses) > 1 for senses in answers.values())
            of_name = homonyms().get(normalised(entry.name), ())
            if of_name or 2 * several >= max(len(answers), 1):
                united = _unite({**({BUILT_IN: list(of_name)} if of_name else {}), **answers})
                if len(united) > 1:
                    by_class[entry.id] = united
        return by_class

    def _hear(self, entry: ClassEntry, model: Model, response: Response) -> None:
        if senses := parse_senses(response):
            self._said[entry.id][model.name] = senses


def resolve_senses(
    entries: Sequence[ClassEntry],
    senses: Mapping[str, list[Sense]],
    chosen: Mapping[str, Choice],
    first: Callable[[ClassEntry], str | None] | None = None,
) -> tuple[list[ClassEntry], dict[str, str]]:
    """The entries with the chosen senses as definitions, and those by class id.

    ``first`` chooses where nothing is chosen. InputError if a choice is of no class or no sense, or, without
    ``first``, a name in ``senses`` has no choice.
    """
    _check_choices(entries, senses, chosen)
    choices = _choices(entries, chosen)
    settled, taken, open_names = [], {}, []
    for entry in entries:
        choice, of_name = choices.get(entry.id), senses.get(entry.id, [])
        if choice is None and first:
            choice = first(entry)
        if choice is None:
            settled.append(entry)
            open_names += [entry] if of_name else []
            continue
        definition = choice if isinstance(choice, str) else of_name[choice - 1].text
        taken[entry.id] = definition
        settled.append(entry._replace(definition=definition))
    if open_names:
        listed = ", ".join(entry.name for entry in open_names[:5]) + (" ..." if len(open_names) > 5 else "")
        raise InputError(
            f"{len(open_names)} class names mean several things ({listed}), see the list above; choose with "
            f"--set lint.senses.{open_names[0].id}=1, write a definition into the class list, or take the first "
            f"with --set lint.ambiguous=first"
        )
    return settled, taken


def listing(entries: Sequence[ClassEntry], senses: Mapping[str, list[Sense]]) -> list[str]:
    """The senses as lines for people, numbered as `resolve_senses` counts them."""
    lines = []
    for entry in entries:
        for number, sense in enumerate(senses.get(entry.id, ()), start=1):
            head = f"{entry.name}:" if number == 1 else " " * (len(entry.name) + 1)
            lines.append(f"{head} {number}. {sense.text} ({', '.join(sense.known_to)})")
    return lines


def parse_senses(response: Response) -> list[str]:
    """The senses in an answer; nothing if it is cut off or not what was asked for."""
    if response.error or response.finish_reason == "length":
        return []
    try:
        values = json.loads(response.text)
    except (ValueError, RecursionError):
        return []
    items = values.get("senses") if isinstance(values, dict) else values
    texts = [clean_text(item) for item in items if isinstance(item, str)] if isinstance(items, list) else []
    return [text for text in texts if text]


def _unite(said: Mapping[str, list[str]]) -> list[Sense]:
    """Every sense once, in the order in which models and list name it first."""
    texts: dict[str, str] = {}
    known_to: dict[str, list[str]] = {}
    for who, senses in said.items():
        for text in senses:
            key = normalise_text(text)
            texts.setdefault(key, text)
            if who not in known_to.setdefault(key, []):
                known_to[key].append(who)
    return [Sense(text, tuple(known_to[key])) for key, text in texts.items()]


def _check_choices(
    entries: Sequence[ClassEntry], senses: Mapping[str, list[Sense]], chosen: Mapping[str, Choice]
) -> None:
    meant, by_id = classes_of(chosen, entries), {entry.id: entry for entry in entries}
    for key, choice in chosen.items():
        if key not in meant:
            rule = "which is no class of the list, or one that another key means; correct the name"
            raise InputError(f"lint.senses speaks of {key!r}, {rule}")
        entry = by_id[meant[key]]
        of_name = senses.get(entry.id, [])
        if isinstance(choice, int) and not 1 <= choice <= len(of_name):
            have = f"has {len(of_name)} senses" if of_name else "is not ambiguous"
            raise InputError(f"lint.senses.{key} is {choice}, but {entry.name!r} {have}; give a number or a definition")


def classes_of(chosen: Mapping[str, Choice], entries: Sequence[ClassEntry]) -> dict[str, str]:
    """Key of ``chosen`` -> id of the class that it means; keys of no class are left out."""
    return match([ClassEntry(key, key) for key in chosen], entries, "lint.senses").found if chosen else {}


def _choices(entries: Sequence[ClassEntry], chosen: Mapping[str, Choice]) -> dict[str, Choice]:
    """The choice for each class, by id."""
    return {class_id: chosen[key] for key, class_id in classes_of(chosen, entries).items()}


def _request(entry: ClassEntry, model: Model, prompt: Prompt) -> Request:
    return build_request(model, prompt, prompt.render({"name": entry.name}), GREEDY, step=STEP)
