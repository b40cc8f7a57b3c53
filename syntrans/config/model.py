"""The base of every section of a config, and what became of the keys of earlier versions.

A person who writes an old key is told its new name. A run that was saved under the old name is read as if it had the
new one (`read_saved`). Both follow one table, which stands in the section: `old_keys`, and `old_values` of a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from pydantic import ModelWrapValidatorHandler  # 2.10.0 has it in functional_validators alone

_SAVED = {"saved": True}
OLD_KEY, OLD_VALUE = "old_key", "old_value"  # types of pydantic's errors


@dataclass(frozen=True)
class Renamed:
    """An old key's new name."""

    to: str


@dataclass(frozen=True)
class Gone:
    """An old key that nothing has taken the place of, and why."""

    why: str


class Strict(BaseModel):
    """A pydantic model that refuses unknown keys and numbers that are not finite, and does not change once made."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class StrictModel(Strict):
    """A section of a config. The rows of files are `Strict` alone: old keys would be sought in each of a million."""

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {}
    old_values: ClassVar[Mapping[str, Mapping[str, str]]] = {}

    @model_validator(mode="wrap")  # around all others, which then see the names of today
    @classmethod
    def _of_earlier_versions(cls, values: Any, read: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if not isinstance(values, dict):
            return read(values)
        if info.context == _SAVED:
            return read(_current(values, cls.old_keys, cls.old_values))
        for key, now in cls.old_keys.items():
            if key in values:
                became = f"was renamed to {now.to}" if isinstance(now, Renamed) else f"is gone: {now.why}"
                raise PydanticCustomError(OLD_KEY, "{key} {became}", {"key": key, "became": became})
        for key, names in cls.old_values.items():
            old = values.get(key)
            if isinstance(old, str) and old in names:
                raise PydanticCustomError(
                    OLD_VALUE, "{key}: {old} was renamed to {new}", {"key": key, "old": old, "new": names[old]}
                )
        return read(values)


def _current(
    values: dict[str, Any], keys: Mapping[str, Renamed | Gone], names: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Saved values under the names of today."""
    current: dict[str, Any] = {}
    for key, value in values.items():
        now = keys.get(key, Renamed(key))
        if isinstance(now, Renamed):
            current[now.to] = value
    for key, new in names.items():
        if isinstance(current.get(key), str):
            current[key] = new.get(current[key], current[key])
    return current


M = TypeVar("M", bound=BaseModel)


def read_saved(model: type[M], values: Any) -> M:
    """A config that a run has left, of this or an earlier version; raises pydantic's `ValidationError`."""
    return model.model_validate(values, context=_SAVED)
