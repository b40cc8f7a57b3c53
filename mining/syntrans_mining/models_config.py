"""Which models a mining run takes, and what runs them: the sections of its configuration about models and engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, PositiveInt, model_validator

from syntrans.config import Gone, Renamed, StrictModel


def check_template(template: str, *fields: str) -> None:
    """ValueError unless ``template`` can be filled in with ``fields``."""
    try:
        template.format(**dict.fromkeys(fields, "x"))
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        known = " and ".join(f"{{{name}}}" for name in fields)
        raise ValueError(f"template {template!r} may use {known} only") from error


class ModelConfig(StrictModel):
    """One language or vision-language model.

    ``path`` is a folder, ``package:<name>/<folder>``, a Hub id ``org/name[@revision]``, or a name on a server.
    ``args`` go to the engine as they are, ``chat_template_kwargs`` to the chat template (thinking models are told not
    to think: ``{enable_thinking: false}``). ``replicas``: on how many workers it is loaded (CPUs; of several GPUs
    each gets it). ``ignore_auto_map``: take a repository that brings code; it is never run, the built-in class is.
    ``licence`` (as the Hub spells it) and ``size_gb`` (of the weights) are what is known before it is downloaded:
    plans and cards tell them.
    """

    name: str = Field(min_length=1)
    path: str = Field(min_length=1)
    licence: str | None = None
    size_gb: float | None = Field(default=None, gt=0)
    replicas: PositiveInt = 1
    args: dict[str, Any] = {}
    chat_template_kwargs: dict[str, Any] = {}
    ignore_auto_map: bool = False


class ClipConfig(StrictModel):
    """The CLIP model, an open_clip folder or Hub id, and the sentence into which a descriptor is put.

    ``template`` knows ``{descriptor}`` and ``{name}``; ``name_template`` embeds a class about which nothing is kept.
    """

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"batch": Renamed("batch_size")}

    path: str = Field(min_length=1)
    licence: str | None = None
    size_gb: float | None = Field(default=None, gt=0)
    template: str = "a photo of a {name}, which has {descriptor}"
    name_template: str = "a photo of a {name}"
    batch_size: PositiveInt = 64

    @model_validator(mode="after")
    def _templates_render(self) -> ClipConfig:
        for template in (self.template, self.name_template):
            check_template(template, "name", "descriptor")
        if "{descriptor}" not in self.template:
            raise ValueError("clip.template must hold {descriptor}")
        return self


class EncoderConfig(StrictModel):
    """A further text encoder, a folder or Hub id of open_clip's or of transformers' (sentence-transformers') kind.

    ``name`` is that of its file, ``semantics-<name>.parquet``; the templates are as CLIP's.
    """

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"batch": Renamed("batch_size")}

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    path: str = Field(min_length=1)
    licence: str | None = None
    size_gb: float | None = Field(default=None, gt=0)
    template: str = "{descriptor}"
    name_template: str = "{name}"
    batch_size: PositiveInt = 64

    @model_validator(mode="after")
    def _templates_render(self) -> EncoderConfig:
        for template in (self.template, self.name_template):
            check_template(template, "name", "descriptor")
        return self


class EngineConfig(StrictModel):
    """What runs the models, and where.

    ``workers`` processes share the cores of a CPU, every GPU has one; 0 keeps servers and fakes in this process.
    ``chunk`` requests are under way at a worker at most: what a crash can lose.
    ``memory_gib``: plan with so much on each device, not with what is free. ``reproducible``: answers do not depend
    on what else is asked, at the price of speed (mining/README.md says on which hardware that holds).
    ``ray_address``: of the cluster for kind ray (``auto``: the one this machine belongs to); null starts one here.
    """

    kind: Literal["vllm", "ray", "openai", "fake"] = "vllm"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = Field(default=1, ge=0)
    kv_gib: float = Field(default=1.0, gt=0)
    chunk: PositiveInt = 256
    memory_gib: float | None = Field(default=None, gt=0)
    reproducible: bool = False
    args: dict[str, Any] = {}
    base_url: str | None = None
    ray_address: str | None = None
    api_key_env: str = "OPENAI_API_KEY"

    @model_validator(mode="after")
    def _consistent(self) -> EngineConfig:
        if self.base_url and urlsplit(self.base_url).username is not None:
            raise ValueError("engine.base_url must hold no password; put the key into the variable engine.api_key_env")
        if self.kind == "openai" and not self.base_url:
            raise ValueError("engine.kind openai needs engine.base_url, e.g. http://127.0.0.1:8000/v1")
        if self.kind in ("vllm", "ray") and self.workers == 0:
            raise ValueError(f"engine.kind {self.kind} needs at least one worker")
        return self
