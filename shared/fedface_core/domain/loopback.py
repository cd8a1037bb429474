"""Which hosts are this machine, so that nobody else hears what is said to them."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a server that listens on this host is reached from its own machine only."""
    address = _address(host)
    if address is None:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")
    return address.is_loopback


def leads_to_loopback(host: str) -> bool:
    """Whether a client that connects to this host reaches its own machine: also by 0.0.0.0, on which servers listen."""
    address = _address(host)
    return is_loopback(host) or (address is not None and address.is_unspecified)


def hides_what_is_sent(scheme: str, host: str) -> bool:
    """Whether a token that is sent to a URL of this scheme and host is heard by nobody between: by HTTPS, or not far."""
    return (scheme == "https" and bool(host)) or (scheme == "http" and leads_to_loopback(host))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
