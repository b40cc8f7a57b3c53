"""No proxy stands between a machine and itself, and the one that does elsewhere is named without its password."""

from __future__ import annotations

import pytest

from syntrans_mining.engines.server.proxy import is_loopback, proxy_for, proxy_notice

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no proxy."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "0.0.0.0",
        "::1",
        "::ffff:127.0.0.1",
    ],
)
def test_this_machine_has_many_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["example.org", "localhost.example.org", "128.0.0.1", "10.0.0.1", "fe80::1", ""])
def test_other_machines_are_not_this_one(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "http://far.example/v1", None),
        ({"http_proxy": "http://gate:3128"}, "http://far.example/v1", "http://gate:3128"),
        ({"http_proxy": "http://gate:3128"}, "https://far.example/v1", None),
        ({"all_proxy": "gate:3128"}, "https://far.example/v1", "http://gate:3128"),
        ({"https_proxy": "gate:1", "all_proxy": "gate:2"}, "https://far.example/v1", "http://gate:1"),
        ({"http_proxy": "gate:1", "no_proxy": "far.example"}, "http://far.example/v1", None),
        ({"http_proxy": "gate:1"}, "http://127.0.0.1:8000/v1", None),
        ({"http_proxy": "gate:1"}, "http://localhost:8000/v1", None),
    ],
)
def test_the_environment_names_the_proxy(
    variables: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


def test_the_notice_says_the_proxy_and_not_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_notice("http://far.example/v1") is None
    monkeypatch.setenv("http_proxy", "http://me:secret@gate:3128")
    notice = proxy_notice("http://far.example/v1")
    assert notice == "requests to far.example go through the proxy gate:3128; set NO_PROXY to avoid it"
