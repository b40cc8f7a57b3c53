"""Lists of class names that are easily mixed up, from all scripts, and what two names of them have in common."""

import re
import unicodedata
from functools import partial

from hypothesis import strategies as st

from syntrans.classes.entries import composed, is_unicode, slug
from syntrans.classes.lint import lint

LOOKALIKES = [
    *("Bär", "Bar", "bar", "C", "C++", "C#", "dưa", "dừa", "dứa", "ハス", "バス", "パス", "Maße", "Masse", "ﬁn", "fin"),
    *("की", "का", "कि", "น้ำ", "นำ", "ปา", "ป่า", "🦊", "🐻", "👩\u200d🚀", "👩🚀", "İ", "I", "ı", "i", "Σ", "ς"),
    *("½", "1/2", "human brain", "Human_Brain", "human-brain", "Å", "A", "ё", "е", "שׁ", "ש", "عَلَم", "علم", "x²", "x2"),
    *("St. B", "St B", "\N{WAVING BLACK FLAG}\U000e0067\U000e0062\U000e007f", "\N{WAVING BLACK FLAG}"),
]
TWINS = [
    *(str.upper, str.lower, str.swapcase, slug, partial(unicodedata.normalize, "NFD")),
    *(partial(unicodedata.normalize, "NFKC"), "{}+".format, "{}#".format, "{}́".format, "{}゚".format),
    *("{}\u200d".format, "{}.".format, " {}".format, "the {}".format, lambda name: name.replace(" ", "_")),
]
texts = st.text(st.characters(exclude_categories=["Cs", "Cn"]), min_size=1, max_size=6)


@st.composite
def name_lists(draw, size=6):
    """Distinct names of all scripts, half of them made to look like the other half."""
    words = draw(st.lists(st.sampled_from(LOOKALIKES) | texts, min_size=2, max_size=size))
    names = [*words, *(draw(st.sampled_from(TWINS))(word) for word in words)]
    return list(dict.fromkeys(n for name in names if slug(n := composed(name)) and is_unicode(n)))


def kept_apart(entries):
    """The entries without those that a class list may not hold together."""
    while errors := [finding for finding in lint(entries) if finding.level == "error"]:
        too_many = [entry for entry in entries if entry.id in errors[0].entries][1:]
        entries = [entry for entry in entries if entry not in too_many]
    return entries


def bare(name):
    """What two names have in common that a class list may not hold together: no case, separators or article."""
    words = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()
    return re.sub(r"^(a|an|the) ", "", words)


def collide(one, other):
    """Whether two names have one id, are one bare name, or share one of several."""
    several = ({part for part in re.split(r"\s*(?:[,;/]|\bor\b)\s*", bare(name)) if part} for name in (one, other))
    return slug(one) == slug(other) or bare(one) == bare(other) or bool(set.intersection(*several))


def named(text, words):
    """Those of the words that a message quotes."""
    return [word for word in words if repr(word) in text or ascii(word) in text]
