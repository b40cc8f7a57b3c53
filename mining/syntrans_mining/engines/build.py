"""From an `EngineSpec` to a live engine, in the process that will host it; heavy imports happen here."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from syntrans.errors import UsageError

if TYPE_CHECKING:
    from syntrans_mining.engines.base import Encoder, Engine, EngineSpec, TextEncoder


def build_engine(spec: EngineSpec) -> Engine | Encoder | TextEncoder:
    """Load what ``spec`` describes. ModelLoadError if the model does not load; UsageError for unknown ``args``."""
    if spec.kind == "vllm":
        from syntrans_mining.engines.vllm import VllmEngine

        return VllmEngine(spec.path, device=spec.device, kv_gib=spec.kv_gib, exact=spec.exact, **spec.args)
    if spec.kind == "ray":
        from syntrans_mining.engines.ray import RayEngine

        return RayEngine(spec.path, device=spec.device, kv_gib=spec.kv_gib, exact=spec.exact, **spec.args)
    if spec.kind == "clip":
        from syntrans_mining.engines.clip import ClipEncoder

        return ClipEncoder(spec.path, device=spec.device, **spec.args)
    if spec.kind == "sentence":
        from syntrans_mining.engines.sentence import SentenceEncoder

        return SentenceEncoder(spec.path, device=spec.device, **spec.args)
    if spec.kind == "openai":
        from syntrans_mining.engines.server.openai import OpenAIEngine

        return OpenAIEngine(spec.path, **spec.args)
    from syntrans_mining.engines.fake import FakeEncoder, FakeEngine

    if spec.kind == "fake-clip":
        return FakeEncoder(**spec.args)
    names = [name for name in inspect.signature(FakeEngine).parameters if name != "name"]
    if unknown := [name for name in spec.args if name not in names]:
        problem = f"{unknown[0]} is nothing that a fake engine knows"
        raise UsageError(f"args of model {spec.name!r}: {problem}; the keys are {', '.join(names)}")
    return FakeEngine(spec.name, **spec.args)
