"""Sanitising text that others wrote: what a model or a file says may be shown and kept, never obeyed.

One function at both doors: the contract's rows pass through it on their way in and out of the ledger, and every
line on its way to the terminal.
"""

from __future__ import annotations

import re
import unicodedata

# A whole command to the terminal goes, not only its first byte: colours and cursor moves (CSI), titles and links
# (OSC), device strings (DCS, SOS, PM, APC), and the two-character ones (ECMA-48, sections 5.3 to 5.6).
_TERMINAL_COMMAND = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
_UNSEEN = frozenset(["Cc", "Cf", "Cs", "Co", "Cn"])
"""Control, format (joiners, bidirectional overrides, tags), surrogate, private and unassigned characters."""

# Controls (a line break too), halves of characters, and what turns the direction of text or is nothing to see.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")


def plain_text(text: object) -> str:
    """One line of what can be seen: terminal commands and unseen characters out, every run of white space one space.

    Applying it twice changes nothing.
    """
    whole = str(text)
    if whole.isprintable():  # nothing unseen, no white space but the blank: nearly every text
        return " ".join(whole.split())
    whole = _TERMINAL_COMMAND.sub("", whole)
    spaced = "".join(" " if c.isspace() else c for c in whole)
    seen = (c for c in spaced if unicodedata.category(c) not in _UNSEEN)
    return " ".join("".join(seen).split())


def harmless_name(name: str) -> str:
    """A name as its file has it, odd blanks and joiners and all; as `plain_text` only where it could do harm."""
    return plain_text(name) if _UNSAFE.search(name) else name
