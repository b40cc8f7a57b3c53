"""Reading and writing a config, and saying what is wrong with one."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from syntrans.config.model import OLD_KEY, OLD_VALUE, M, read_saved
from syntrans.errors import InputError, UsageError
from syntrans.files.bounded_yaml import MAX_DEPTH, parse_yaml
from syntrans.files.input_files import read_text
from syntrans.paths import shipped


def load_config(model: type[M], source: str | Path, *, kind: str, overrides: Sequence[str] = ()) -> M:
    """Read ``source`` into ``model``.

    ``source`` is a path to a ``.yaml`` file or the name of a config shipped under ``kind``
    (``mining/configs``, ``training/configs``); ``overrides`` are ``a.b.c=value`` with a YAML value.
    UsageError names the file and the key, and the keys that look like it.
    """
    path = _find(source, kind)
    return from_values(model, read_yaml(path), overrides, source=str(path))


def read_config(source: str | Path, *, kind: str) -> dict[str, Any]:
    """The values of a file or shipped config as they stand, unchecked: for what decides which model checks them."""
    return read_yaml(_find(source, kind))


def from_values(model: type[M], values: dict[str, Any], overrides: Sequence[str] = (), *, source: str = "--set") -> M:
    """Plain values, changed by ``overrides``, as a model; UsageError as in `load_config`, ``source`` leading it."""
    for override in overrides:
        _set(values, override)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{source}: {_explain(model, error)}") from error


def load_saved(model: type[M], path: Path) -> M:
    """The config that a run has left in ``path``, of this or an earlier version; UsageError as in `load_config`."""
    try:
        return read_saved(model, read_yaml(path))
    except ValidationError as error:
        raise UsageError(f"{path}: {_explain(model, error)}") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; UsageError when it is not one."""
    try:
        values = parse_yaml(read_text(path))
    except InputError as error:
        raise UsageError(f"config: {error}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{path} holds a {type(values).__name__}; a config is a mapping of keys to values")
    return values


def dump_config(model: BaseModel) -> str:
    """The resolved config as YAML, in the order of its declaration."""
    return yaml.safe_dump(model.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)


def dotted(value: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested mappings and lists by their dotted keys; the items of a list count from 0."""
    if isinstance(value, Mapping):
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        return {prefix: value}
    return {key: leaf for name, item in items for key, leaf in dotted(item, f"{prefix}.{name}".strip(".")).items()}


def first_problem(error: ValidationError) -> str:
    """Where and what, of the first thing that pydantic found wrong."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(step) for step in first["loc"]) or "it"
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"


def _find(source: str | Path, kind: str) -> Path:
    path = Path(source)
    if path.suffix in {".yaml", ".yml"} or path.parent != Path():
        if not path.is_file():
            raise UsageError(f"config {str(source)!r} is not a file; check the path, or name a shipped config")
        return path
    try:
        return shipped(kind, str(source))
    except InputError as error:
        raise UsageError(str(error)) from error


def _set(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps) or len(steps) > MAX_DEPTH:
        raise UsageError(f"--set {override!r:.80}: write it as key.sub=value")
    value = _value(text, override)
    here: Any = values
    for depth, step in enumerate(steps[:-1]):
        here = _child(here, step, ".".join(steps[: depth + 1]))
    if isinstance(here, list):
        here[_index(here, steps[-1], key)] = value
    else:
        here[steps[-1]] = value


def _value(text: str, override: str) -> Any:
    """What the text means as YAML. Braces without a colon are a template ("{name}, {which}"), not a mapping."""
    if "{" in text and ":" not in text and text.strip() != "{}":
        return text
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise UsageError(f"--set {override!r:.80}: {text!r:.80} is not a YAML value ({error!s:.100})") from error


def _child(here: Any, step: str, so_far: str) -> Any:
    below = here[_index(here, step, so_far)] if isinstance(here, list) else here.setdefault(step, {})
    if below is None and isinstance(here, dict):
        below = here[step] = {}
    if not isinstance(below, dict | list):
        raise UsageError(f"--set {so_far}...: {so_far} is a value, it has no keys below it")
    return below


def _index(here: list[Any], step: str, key: str) -> int:
    if not step.isdigit() or int(step) >= len(here):
        raise UsageError(f"--set {key}: a list of {len(here)}; give a position from 0 to {len(here) - 1}")
    return int(step)


def _explain(model: type[BaseModel], error: ValidationError) -> str:
    telling = (OLD_KEY, OLD_VALUE, "extra_forbidden")
    first, *rest = sorted(error.errors(include_url=False), key=lambda item: item["type"] not in telling)
    place = ".".join(str(step) for step in first["loc"]) or "the config"
    more = f" (and {len(rest)} more)" if rest else ""
    if first["type"] in (OLD_KEY, OLD_VALUE):
        return f"{'.'.join(str(step) for step in (*first['loc'], first['msg']))}{more}"
    if first["type"] == "extra_forbidden":
        fields = _fields_at(model, first["loc"][:-1])
        close = difflib.get_close_matches(str(first["loc"][-1]), fields, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known here: {', '.join(fields) or 'none'}"
        return f"unknown key {place!r}; {hint}{more}"
    given = "" if first["type"] == "missing" else f", given {first['input']!r:.80}"
    return f"{place}: {first['msg'].removeprefix('Value error, ')}{given}{more}"


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The known keys of the sub-model at ``location``; unions (tags in the location) are looked through."""
    candidates: list[type[BaseModel]] = [model]
    for step in location:
        below_step = [
            below
            for candidate in candidates
            if step in candidate.model_fields
            for below in _models_in(candidate.model_fields[str(step)].annotation)
        ]
        candidates = below_step or candidates
    return list(dict.fromkeys(name for candidate in candidates for name in candidate.model_fields))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    parts = typing.get_args(annotation)
    if parts:
        return [model for part in parts for model in _models_in(part)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
