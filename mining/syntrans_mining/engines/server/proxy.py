"""Which proxy stands between this machine and a server: none for this machine itself, and otherwise a named one."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine, by its name or its number, however they are written."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        import socket  # not at the top, as urllib.request below

        try:  # "127.1" and "0x7f000001" are addresses too, to the system that connects
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for ``url`` (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY), if any."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host):
        return None
    import urllib.request  # 10 ms, which runs without a server need not spend

    if urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def proxy_notice(url: str) -> str | None:
    """A line that names the proxy of ``url``, without its password; None where there is none."""
    proxy = proxy_for(url)
    if proxy is None:
        return None
    name = urlsplit(proxy).netloc.rpartition("@")[2]
    return f"requests to {urlsplit(url).hostname} go through the proxy {name}; set NO_PROXY to avoid it"
