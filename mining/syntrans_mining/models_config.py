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
        placeholders = " and ".join(f"{{{name}}}" for name in fields)
        raise ValueError(f"template {template!r} may use {placeholders} only") from error


class ModelConfig(StrictModel):
    """One language or vision-language model."""

    name: str = Field(min_length=1, description="What it is called in files and messages.")
    path: str = Field(
        min_length=1, description="A folder, package:<name>/<folder>, a Hub id org/name[@revision], or a server's name."
    )
    licence: str | None = Field(None, description="Its licence as the Hub spells it; plans and cards tell it.")
    size_gb: float | None = Field(None, gt=0, description="Size of its weights, in GB; for the plan of a download.")
    replicas: PositiveInt = Field(1, description="Workers that load it on CPUs; of several GPUs each does.")
    args: dict[str, Any] = Field({}, description="Arguments for the engine, as they are.")
    chat_template_kwargs: dict[str, Any] = Field(
        {}, description="Arguments for the chat template; a thinking model is told {enable_thinking: false}."
    )
    ignore_auto_map: bool = Field(
        False, description="Take a repository that brings code; it is never run, the built-in class is."
    )


class ClipConfig(StrictModel):
    """The CLIP model, and the sentence into which a descriptor is put."""

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"batch": Renamed("batch_size")}

    path: str = Field(min_length=1, description="An open_clip folder, package:<name>/<folder>, or a Hub id.")
    licence: str | None = Field(None, description="Its licence as the Hub spells it; plans and cards tell it.")
    size_gb: float | None = Field(None, gt=0, description="Size of its weights, in GB; for the plan of a download.")
    template: str = Field(
        "a photo of a {name}, which has {descriptor}",
        description="Sentence about a descriptor; knows {descriptor} and {name}.",
    )
    name_template: str = Field(
        "a photo of a {name}", description="Sentence about a class of which nothing is kept; knows {name}."
    )
    batch_size: PositiveInt = Field(64, description="Texts or pictures that are embedded at once.")

    @model_validator(mode="after")
    def _templates_render(self) -> ClipConfig:
        for template in (self.template, self.name_template):
            check_template(template, "name", "descriptor")
        if "{descriptor}" not in self.template:
            raise ValueError("clip.template must hold {descriptor}")
        return self


class EncoderConfig(StrictModel):
    """A further text encoder of open_clip's or of transformers' (sentence-transformers') kind."""

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"batch": Renamed("batch_size")}

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9._-]*$", description="What its file is called: semantics-<name>.parquet."
    )
    path: str = Field(min_length=1, description="A folder, package:<name>/<folder>, or a Hub id.")
    licence: str | None = Field(None, description="Its licence as the Hub spells it; plans and cards tell it.")
    size_gb: float | None = Field(None, gt=0, description="Size of its weights, in GB; for the plan of a download.")
    template: str = Field("{descriptor}", description="Sentence about a descriptor; knows {descriptor} and {name}.")
    name_template: str = Field("{name}", description="Sentence about a class of which nothing is kept; knows {name}.")
    batch_size: PositiveInt = Field(64, description="Texts that are embedded at once.")

    @model_validator(mode="after")
    def _templates_render(self) -> EncoderConfig:
        for template in (self.template, self.name_template):
            check_template(template, "name", "descriptor")
        return self


def reading(encoder: ClipConfig | EncoderConfig) -> dict[str, Any]:
    """How a text encoder reads a class: its path, and its sentences about a descriptor and about a name alone."""
    return {"encoder": encoder.path, "templates": (encoder.template, encoder.name_template)}


class EngineConfig(StrictModel):
    """What runs the models, and where."""

    kind: Literal["vllm", "ray", "openai", "fake"] = Field(
        "vllm",
        description="vllm on this machine, ray on a cluster, openai for a server of that protocol, fake for tests.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Device of the models.")
    workers: int = Field(
        1, ge=0, description="Processes that share the cores of a CPU; every GPU has one; 0: servers and fakes, here."
    )
    kv_gib: float = Field(1.0, gt=0, description="Memory of a model's key-value cache, in GiB.")
    chunk: PositiveInt = Field(256, description="Requests under way at a worker: what a crash can lose.")
    memory_gib: float | None = Field(
        None, gt=0, description="Memory of each device to plan with, in GiB; null: what is free."
    )
    reproducible: bool = Field(
        False,
        description="Answers do not depend on what else is asked, at the price of speed (mining/README.md). On GPUs "
        "vLLM tests it with Qwen3 8B, Qwen3-VL 2B and 4B, Phi-4, OLMo 2 1B and Qwen2.5 0.5B.",
    )
    args: dict[str, Any] = Field({}, description="Arguments for the engine of every model, as they are.")
    base_url: str | None = Field(None, description="Address of the server, for kind openai.")
    ray_address: str | None = Field(
        None, description="Cluster for kind ray; auto: the one of this machine; null: one is started here."
    )
    api_key_env: str = Field("OPENAI_API_KEY", description="Environment variable that holds the server's key.")

    @model_validator(mode="after")
    def _consistent(self) -> EngineConfig:
        if self.base_url and urlsplit(self.base_url).username is not None:
            raise ValueError("engine.base_url must hold no password; put the key into the variable engine.api_key_env")
        if self.kind == "openai" and not self.base_url:
            raise ValueError("engine.kind openai needs engine.base_url, e.g. http://127.0.0.1:8000/v1")
        if self.kind in ("vllm", "ray") and self.workers == 0:
            raise ValueError(f"engine.kind {self.kind} needs at least one worker")
        return self
