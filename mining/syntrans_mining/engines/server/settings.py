"""Settings of the server engine: the keys of ``engine.args`` and of a model's ``args`` for engine kind openai."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, PositiveInt, ValidationError

from syntrans.config import StrictModel, first_problem
from syntrans.errors import UsageError


class ServerSettings(StrictModel):
    """``concurrency`` requests are under way at once; each is tried ``retries`` times more.

    A try may take ``timeout`` seconds, from its first byte to the answer's last; a request with all its tries and
    pauses ``deadline`` seconds. ``extra_body`` is added to what is sent. Larger pictures are reduced to
    ``max_pixels`` in all.
    """

    base_url: str
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: PositiveInt = 16
    timeout: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    deadline: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    retries: int = Field(default=6, ge=0)
    extra_body: dict[str, Any] = {}
    max_pixels: PositiveInt | None = None

    @classmethod
    def read(cls, model: str, args: Mapping[str, Any]) -> Self:
        """The settings in ``args``. UsageError names the key that is wrong."""
        try:
            return cls.model_validate(dict(args))
        except ValidationError as error:
            names = ", ".join(cls.model_fields)
            raise UsageError(f"args of model {model!r}: {first_problem(error)}; the keys are {names}") from error
