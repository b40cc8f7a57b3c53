"""Failed requests as rows of the ledger, with their reason and with what came instead of an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from syntrans.text_safety import plain_text
from syntrans_mining.steps.candidate import Author, Candidate

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans_mining.engines.base import Response

RAW_LIMIT = 500  # characters of a model's own words that the ledger keeps
READ_LIMIT = 20 * RAW_LIMIT  # characters of them that are looked at: an answer may have ten million
# How instruction-tuned models begin when they decline; only looked for where an answer could not be used anyway.
_DECLINED = re.compile(
    r"^\W*(?:i['’]?m sorry|i am sorry|sorry\b|i apologi[sz]e|as an ai\b|"
    r"i(?:'m| am)? (?:can(?:['’]t|not)|unable|not able|won['’]?t|must decline))",
    re.IGNORECASE,
)


def clean_text(text: str) -> str:
    """Model text as data: no control or unseen characters, spaces single, at most RAW_LIMIT characters."""
    return plain_text(text[:READ_LIMIT])[:RAW_LIMIT].strip()


def reason_of(response: Response) -> str:
    """Why a response is no usable answer, as a word of the contract."""
    if response.error:
        return response.reason
    if response.finish_reason == "content_filter" or _DECLINED.search(response.text):
        return "refused"
    return "cut_off" if response.finish_reason == "length" else "no_answer"


def failed_row(step: str, entry: ClassEntry, author: Author, response: Response) -> Candidate:
    """The dropped candidate for a request about ``entry`` that ``author`` was asked and did not answer.

    Its text says what was asked, and ``author.raw`` becomes what came instead: the error, or the model's own words.
    """
    author.raw = clean_text(response.error or response.text)
    text = f"(no answer of {author.model} to {author.prompt}, sample {author.sample})"
    row = Candidate(entry.id, entry.name, text, "other", [author])
    row.drop(step, reason_of(response))
    return row
