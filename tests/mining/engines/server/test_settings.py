"""A wrong key of a server's settings is named, with those that there are."""

from __future__ import annotations

from typing import Any

import pytest

from syntrans.errors import UsageError
from syntrans_mining.engines.server.settings import ServerSettings

URL = {"base_url": "http://localhost:8000/v1"}


def test_an_address_is_enough() -> None:
    settings = ServerSettings.read("ann", URL)
    assert (settings.base_url, settings.concurrency, settings.retries) == (URL["base_url"], 16, 6)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "base_url"),
        (URL | {"concurency": 4}, "concurency"),
        (URL | {"concurrency": 0}, "concurrency"),
        (URL | {"timeout": 0}, "timeout"),
        (URL | {"deadline": float("inf")}, "deadline"),
        (URL | {"retries": -1}, "retries"),
        (URL | {"max_pixels": 0}, "max_pixels"),
    ],
)
def test_a_wrong_key_is_named_with_its_model(args: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=rf"args of model 'ann': .*{said}.*the keys are base_url, api_key_env"):
        ServerSettings.read("ann", args)
