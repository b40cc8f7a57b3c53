"""Prompts are files: ``prompts/<id>.yaml`` with id, version, variables, messages and the schema of the answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import Field, PrivateAttr, ValidationError

from syntrans.config import StrictModel
from syntrans.errors import InputError
from syntrans.files.bounded_yaml import parse_yaml
from syntrans.files.input_files import read_bytes
from syntrans.paths import shipped
from syntrans_mining.engines.base import Message

if TYPE_CHECKING:
    from syntrans_mining.config import MiningConfig

Purpose = Literal["senses", "propose", "contrast", "crosscheck", "ground", "compose", "support"]
_ANSWERS = {"senses": "schema", "propose": "schema", "contrast": "schema", "compose": "text"}  # of the others: yes_no
# Sandboxed, because a prompt file may come from anywhere; autoescaping would put HTML into prompts.
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


class PromptMessage(StrictModel):
    """One message; with ``picture`` the request's picture stands before the text."""

    role: Literal["system", "user", "assistant"]
    text: str = Field(min_length=1)
    picture: bool = False


class Prompt(StrictModel):
    """A loaded prompt file. ``sha256`` is of its bytes."""

    id: str
    version: int
    purpose: Purpose
    variables: tuple[str, ...]
    messages: tuple[PromptMessage, ...] = Field(min_length=1)
    answer: Literal["yes_no", "text"] | dict[str, Any]
    sha256: str
    _templates: tuple[Template, ...] = PrivateAttr(default=())

    def model_post_init(self, _context: Any) -> None:
        """Compile the templates once."""
        self._templates = tuple(_ENVIRONMENT.from_string(message.text) for message in self.messages)

    @property
    def answer_schema(self) -> str | None:
        """The answer's JSON schema, canonical, or None for yes/no and for free text."""
        if isinstance(self.answer, str):
            return None
        return json.dumps(self.answer, sort_keys=True, separators=(",", ":"))

    def render(self, values: Mapping[str, Any]) -> tuple[Message, ...]:
        """The messages with ``values`` filled in; values are data and are never rendered again.

        InputError lists every declared variable that is missing; values that are not declared are left out.
        """
        missing = [name for name in self.variables if name not in values]
        if missing:
            raise InputError(f"prompt {self.id}: no value for {', '.join(missing)}; give all its variables")
        declared = {name: values[name] for name in self.variables}
        try:
            texts = [template.render(declared) for template in self._templates]
        except (TemplateError, TypeError, ValueError) as error:
            raise InputError(f"prompt {self.id} does not render: {error}; correct its template") from error
        return tuple(
            Message(message.role, text, message.picture) for message, text in zip(self.messages, texts, strict=True)
        )


def load_prompt(source: str, purpose: Purpose) -> Prompt:
    """Read a prompt: a path to a ``.yaml`` file, or the id of a shipped one. InputError names what is wrong."""
    path = Path(source) if source.endswith((".yaml", ".yml")) else shipped("prompts", f"{source}.yaml")
    try:
        data = read_bytes(path)
        values = parse_yaml(data.decode("utf-8-sig"))
    except InputError as error:
        raise InputError(f"prompt: {error}") from error
    except ValueError as error:
        raise InputError(f"prompt {path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"prompt {path} holds no mapping; see the shipped prompts for the form")
    try:
        prompt = Prompt.model_validate({**values, "sha256": hashlib.sha256(data).hexdigest()})
        used = {name for m in prompt.messages for name in meta.find_undeclared_variables(_parse(m.text))}
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise InputError(f"prompt {path}: {place}: {first['msg']}; see the shipped prompts") from error
    except TemplateError as error:
        raise InputError(f"prompt {path}: {error}; correct the template") from error
    _check(prompt, path, used, purpose)
    return prompt


def _parse(text: str) -> Any:
    return _ENVIRONMENT.parse(text)


def _check(prompt: Prompt, path: Path, used: set[str], purpose: Purpose) -> None:
    undeclared = sorted(used - set(prompt.variables))
    if undeclared:
        raise InputError(f"prompt {path} uses {', '.join(undeclared)} but does not declare it in 'variables'")
    if prompt.purpose != purpose:
        raise InputError(f"prompt {path} is for {prompt.purpose}, and was given for {purpose}")
    wanted = _ANSWERS.get(purpose, "yes_no")
    kind = prompt.answer if isinstance(prompt.answer, str) else "schema"
    if kind != wanted:
        needs = "a JSON schema" if wanted == "schema" else wanted
        raise InputError(f"prompt {path}: {purpose} needs {needs} as answer")
    pictures = sum(message.picture for message in prompt.messages)
    if pictures != (1 if purpose == "ground" else 0):
        raise InputError(f"prompt {path}: {purpose} takes {1 if purpose == 'ground' else 0} pictures, found {pictures}")


@dataclass(frozen=True)
class Prompts:
    """The prompt files of a run."""

    propose: tuple[Prompt, ...]
    crosscheck: Prompt
    ground: Prompt
    senses: Prompt | None = None
    contrast: Prompt | None = None
    compose: Prompt | None = None
    support: Prompt | None = None

    @classmethod
    def load(cls, config: MiningConfig, *, ask_senses: bool = False) -> Prompts:
        """Read those that will be needed; InputError names the one that is wrong."""
        contrast, writes = config.contrast.prompt, config.compose.llm is not None
        return cls(
            tuple(load_prompt(source, "propose") for source in config.propose.prompts),
            load_prompt(config.crosscheck.prompt, "crosscheck"),
            load_prompt(config.ground.prompt, "ground"),
            load_prompt(config.lint.prompt, "senses") if ask_senses else None,
            load_prompt(contrast, "contrast") if contrast else None,
            load_prompt(config.compose.prompt, "compose") if writes else None,
            load_prompt(config.compose.support, "support") if writes else None,
        )

    def sha256(self) -> dict[str, str]:
        """By prompt id."""
        optional = [prompt for prompt in (self.senses, self.contrast, self.compose, self.support) if prompt]
        return {prompt.id: prompt.sha256 for prompt in (*self.propose, *optional, self.crosscheck, self.ground)}
