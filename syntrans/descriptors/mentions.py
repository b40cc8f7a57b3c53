"""Where a text says a class name: as a word of its own, in the plural, or in a comparison."""

import re
from collections.abc import Iterable

from syntrans.classes.lint import normalised, plurals
from syntrans.contract.rows import normalise_text


def name_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Any class name as whole words, singular or plural; 'bat' is not found in 'combat'."""
    return re.compile(rf"(?<!\w)(?:{_alternatives(names)})(?:e?s)?(?!\w)")


def mention_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Any class name after a word of comparison, as the whole text, or, if it has several words, anywhere."""
    names = list(names)
    name = rf"(?:{_alternatives(names)})(?:e?s)?(?!\w)"
    compared = rf"(?<!\w)(?:like|unlike|than|resembl\w+|similar to|compared (?:to|with))\s+(?:(?:an?|the)\s+)?{name}"
    several_words = [n for n in names if len(re.split(r"[\s_-]+", n.strip())) > 1]
    anywhere = rf"|(?<!\w)(?:{_alternatives(several_words)})(?:e?s)?(?!\w)" if several_words else ""
    return re.compile(rf"^{name}$|{compared}{anywhere}")


def _alternatives(names: Iterable[str]) -> str:
    """The names and their irregular plurals as a regular expression, longest first.

    Between words a space, a hyphen, an underscore or nothing may stand: 'house finch' is also found in 'house-finch'.
    """
    plain = {normalised(name) for name in names}
    forms = sorted(plain.union(*map(plurals, plain)), key=len, reverse=True)
    return "|".join(r"[\s_-]*".join(map(re.escape, form.split(" "))) for form in forms if form)


def without_names(text: str, names: Iterable[str]) -> str:
    """The normalised text in which 'it' stands wherever one of the names stood.

    The last word of a name counts as the name too: 'a retriever has a soft mouth' names the golden retriever.
    """
    names = [normalised(name) for name in names]
    return name_pattern({*names, *(name.split(" ")[-1] for name in names)}).sub("it", normalise_text(text))
