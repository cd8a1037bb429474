"""The check of the control API's URL, before anything is sent to it."""

from __future__ import annotations

import httpx

from fedface_core.domain.credentials import mask_url
from fedface_core.domain.errors import InvalidInputError

_MAX_PORT = 65535


def checked_api_url(url: str) -> httpx.URL:
    """The URL without a slash at its end. `InvalidInputError` if it is no URL of an HTTP server.

    The message does not quote a password.
    """
    shown = mask_url(url)
    if not url.startswith(("http://", "https://")):
        raise InvalidInputError(f"the API's URL is {shown!r}; it must start with http:// or https://")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidInputError(f"the API's URL is {shown!r}, which is no URL: {error}") from None
    wrong_port = parsed.port is not None and not 0 < parsed.port <= _MAX_PORT
    if not parsed.host or parsed.query or parsed.fragment or wrong_port or any(map(str.isspace, url)):
        raise InvalidInputError(
            f"the API's URL is {shown!r}; give a host, a port from 1 to {_MAX_PORT}, no query and no white space, such as "
            "http://127.0.0.1:8000"
        )
    return httpx.URL(url.rstrip("/"))
