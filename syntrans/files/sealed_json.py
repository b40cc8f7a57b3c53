"""JSON reports with a hash of all their keys as the last one: a changed byte is seen when they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from syntrans.errors import InputError
from syntrans.files.input_files import read_json
from syntrans.files.semantic_hash import semantic_hash

SEALED, CHECKSUM = "sealed", "checksum"  # two keys, so that damage to one of them cannot pass for an early file


def sealed_json(values: Mapping[str, Any]) -> str:
    """The text of a report, its checksum last."""
    # As it will be read: tuples as lists, keys as texts.
    plain = {SEALED: True, **json.loads(json.dumps(values))}
    text = json.dumps({**plain, CHECKSUM: semantic_hash(plain)}, indent=2, ensure_ascii=False) + "\n"
    # The name of a file may be no text; what Python makes of it is written as JSON escapes it.
    return text.encode("utf-8", "backslashreplace").decode()


def read_sealed_json(path: Path, advice: str) -> dict[str, Any]:
    """A report without its checksum, which earlier versions did not write; InputError, ending with ``advice``."""
    values = read_json(path, advice)
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no report; {advice}")
    checksum = values.pop(CHECKSUM, None)
    if (SEALED in values or checksum is not None) and checksum != semantic_hash(values):
        raise InputError(f"{path} is damaged or was edited (it does not give its checksum); {advice}")
    values.pop(SEALED, None)
    return values
