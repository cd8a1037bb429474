"""What the headers of a browser say of the page that has sent a request, and of the name by which it was reached.

No page can choose these headers, and whoever is no browser sends what it likes: nothing here trusts that they are
well-formed.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def host_name(host: str) -> str:
    """The name in a ``Host`` header, in small letters and without the port; empty if it names none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # a single bracket
        return ""


def is_address(name: str) -> bool:
    """Whether a name is an IP address. An attacker can let a name lead anywhere, but no address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_of_another_site(site: str | None, origin: str | None, host: str) -> bool:
    """Whether a page of another site than that of ``host`` has sent a request with these headers.

    ``site`` is ``Sec-Fetch-Site``, ``origin`` is ``Origin``, each None if it is not there. No page has sent a request that
    has neither of the two.
    """
    if site is not None:  # it says so itself, also behind a proxy that gives the host another name
        return site not in ("same-origin", "none")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != host.lower()
    except ValueError:
        return True
