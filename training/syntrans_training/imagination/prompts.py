"""What a diffusion model is told of a class: its kept descriptors, as many as fit, in different orders.

FLIER asks GPT-3 for its prompts; here the mined descriptors stand in their place (derived).
"""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from syntrans.contract.rows import DescriptorRow
from syntrans.errors import InputError

_TRIES = 25  # draws for each prompt that shall differ from those before it


@dataclass(frozen=True)
class Prompt:
    """A text, the class it is about, and the descriptors in it."""

    class_id: str
    class_name: str
    text: str
    descriptor_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A picture to be made; `key` hashes everything that changes it."""

    prompt: Prompt
    seed: int
    key: str


def class_prompts(
    rows: Sequence[DescriptorRow],
    *,
    templates: Sequence[str],
    count: int,
    fits: Callable[[str], bool],
    seed: int,
    summary: str | None = None,
) -> list[Prompt]:
    """Up to `count` different prompts of one class from its rows (at least one, kept or not).

    Descriptors come in an order drawn by their weights; those at the end are left out where the text would not fit.
    """
    kept = [row for row in rows if row.kept]
    class_id, name = rows[0].class_id, rows[0].class_name
    rng = random.Random(f"{seed}-{class_id}")
    prompts: dict[str, Prompt] = {}
    if summary and fits(summary):
        prompts[summary] = Prompt(class_id, name, summary, tuple(row.descriptor_id for row in kept))
    for number in range(count * _TRIES):
        if len(prompts) >= count:
            break
        template = templates[number % len(templates)]
        text, used = _filled(template, name, _drawn(kept, rng), fits)
        prompts.setdefault(text, Prompt(class_id, name, text, used))
        if not kept and number >= len(templates):
            break
    return list(prompts.values())


def _drawn(kept: Sequence[DescriptorRow], rng: random.Random) -> list[DescriptorRow]:
    """In an order in which heavier ones tend to come first (Efraimidis and Spirakis 2006)."""
    return sorted(kept, key=lambda row: rng.random() ** (1 / max(row.weight or 1.0, 1e-6)), reverse=True)


def _filled(
    template: str, name: str, rows: Sequence[DescriptorRow], fits: Callable[[str], bool]
) -> tuple[str, tuple[str, ...]]:
    """The template with as many descriptors as fit, and their ids."""
    chosen: list[DescriptorRow] = []
    for row in rows:
        if fits(_text(template, name, [*chosen, row])):
            chosen.append(row)
    return _text(template, name, chosen), tuple(row.descriptor_id for row in chosen)


def _text(template: str, name: str, rows: Sequence[DescriptorRow]) -> str:
    return template.format(name=name, descriptors=", ".join(row.text for row in rows)).strip(" ,")


def check_described(rows: Mapping[str, Sequence[DescriptorRow]]) -> None:
    """InputError where a class keeps no descriptor."""
    empty = [group[0].class_name for group in rows.values() if not any(row.kept for row in group)]
    if empty:
        listed = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
        raise InputError(
            f"{len(empty)} of {len(rows)} classes keep no descriptor ({listed}); mine them again, loosen the filter "
            "(syntrans mine --refilter), or imagine them by their names: --set undescribed=name"
        )


def jobs(prompts: Sequence[Prompt], *, per_class: int, seed: int, identity: str) -> list[Job]:
    """`per_class` pictures of every class, its prompts by turns; `identity` is the model's with its settings."""
    of_class: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        of_class.setdefault(prompt.class_id, []).append(prompt)
    jobs = []
    for group in of_class.values():
        for i in range(per_class):
            prompt = group[i % len(group)]
            drawn = _hash(str(seed), prompt.class_id, prompt.text, str(i // len(group)))
            number = int(drawn[:15], 16)  # 60 bits: every generator takes them, and so does an int64 column
            jobs.append(Job(prompt, number, _hash(identity, prompt.text, str(number))[:16]))
    return jobs


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
