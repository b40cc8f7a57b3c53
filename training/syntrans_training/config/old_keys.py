"""Keys of earlier versions: an error says what became of them."""

from collections.abc import Mapping
from typing import Any


def refuse_old_keys(values: Any, old: Mapping[str, str]) -> Any:
    """The values of a section as they are; `ValueError` that says what became of a key that is no longer known."""
    for key, became in old.items():
        if isinstance(values, dict) and key in values:
            raise ValueError(f"the key {key} {became}")
    return values
