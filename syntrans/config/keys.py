"""The keys of a config as a person sees them: dotted name, meaning, default and what may be given.

All of it is read from the model's JSON schema, so it cannot differ from what is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pydantic import BaseModel

ITEM = "N"  # in the name of a key: the position in a list, from 0
_TYPES = {"boolean": "true or false", "string": "text", "null": "null", "object": "a mapping"}


@dataclass(frozen=True)
class Key:
    """One key. ``default`` is YAML, None where a value must be given; a section has neither default nor values."""

    name: str
    meaning: str
    values: str = ""
    default: str | None = None
    is_section: bool = False


def keys_of(model: type[BaseModel]) -> list[Key]:
    """Every key of a config, a section before its keys, in the order of their declaration."""
    schema = model.model_json_schema()
    return list(_keys(schema, schema.get("$defs", {}), "", {}))


def value_at(values: Any, name: str) -> str:
    """The value of a key in a whole config, as YAML; one for every item of a list; empty in a section that is null."""
    reached = [values]
    for step in name.split("."):
        if step == ITEM:
            reached = [item for items in reached for item in items]
        else:
            reached = [section[step] for section in reached if section is not None]
    return "; ".join(map(_yaml, reached))


def _keys(
    section: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str, defaults: Mapping[str, Any]
) -> Iterator[Key]:
    """Keys of a section; ``defaults``: what the section around it gives."""
    for name, field in section["properties"].items():
        place, meaning = prefix + name, str(field.get("description", ""))
        default = defaults.get(name, field.get("default", ...))
        below, is_list = _section_of(field, definitions)
        if below is None:
            yield Key(place, meaning, _values(field), None if default is ... else _yaml(default))
            continue
        yield Key(place, meaning or str(below.get("description", "")), is_section=True)
        inner = f"{place}.{ITEM}." if is_list else f"{place}."
        yield from _keys(below, definitions, inner, default if isinstance(default, dict) else {})


def _section_of(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, bool]:
    """The section that a key holds, or a list of which; None where it holds values."""
    for part in (field, *field.get("anyOf", ())):
        if "$ref" in part:
            return definitions[part["$ref"].rpartition("/")[2]], False
        if "$ref" in part.get("items", {}):
            return definitions[part["items"]["$ref"].rpartition("/")[2]], True
    return None, False


def _values(field: Mapping[str, Any]) -> str:
    """What may be given, in words."""
    if "anyOf" in field:
        return " or ".join(_values(part) for part in field["anyOf"])
    if "enum" in field or "const" in field:
        return " or ".join(str(value) for value in field.get("enum", [field.get("const")]))
    kind = field.get("type")
    if kind == "array":
        return _list(field)
    if kind in ("integer", "number"):
        return _number(field, "a whole number" if kind == "integer" else "a number")
    return _TYPES.get(str(kind), "any value")


def _list(field: Mapping[str, Any]) -> str:
    if "prefixItems" in field:
        return f"a list of {len(field['prefixItems'])}, each {_values(field['prefixItems'][0])}"
    few = f" of at least {field['minItems']}" if field.get("minItems") else ""
    return f"a list{few}, each {_values(field.get('items', {}))}"


def _number(field: Mapping[str, Any], kind: str) -> str:
    low, above = field.get("minimum"), field.get("exclusiveMinimum")
    high, below = field.get("maximum"), field.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{kind} from {low:g} to {high:g}"
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", low), ("above", above), ("at most", high), ("below", below))
        if bound is not None
    ]
    return " ".join([kind, " and ".join(bounds)]).strip()


def _yaml(value: Any) -> str:
    """A value on one line, as it would stand in a config."""
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).removesuffix("...\n").strip()
    )
