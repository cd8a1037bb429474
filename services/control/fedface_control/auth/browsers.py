"""What keeps pages of other sites from using a browser against the API.

A page can have a browser send requests to this machine, also to an API that listens on 127.0.0.1 only and asks nobody to
sign in. It cannot choose the headers that are looked at here.

- ``Host`` names this API, so that a name of an attacker which leads here (DNS rebinding) makes no page of this origin.
- ``Sec-Fetch-Site`` and ``Origin`` say that no page of another site sends a request that changes something.
- A body is declared to be JSON. Without asking the API (CORS, which is closed), a page can only send forms and plain text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fedface_control.auth.errors import (
    ForeignPageError,
    MisdirectedRequestError,
    RefusedRequestError,
    UnsupportedBodyError,
    refusal,
)
from fedface_core.domain.page_origin import host_name, is_address, is_of_another_site

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_OWN_NAMES: Final = ("localhost", "control")
"""Names by which the API is reached on its own machine, and among the services of compose."""


class Hosts:
    """The hosts that the API answers for: ``names``, in which ``*.`` stands for any names before a domain; each IP address;
    ``localhost``, and ``control`` as compose has it.

    An address is no risk: an attacker can let a name lead anywhere, but no address.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        every = [name.lower() for name in (*_OWN_NAMES, *names)]
        self._exact = frozenset(name for name in every if not name.startswith("*."))
        self._endings = tuple(name[1:] for name in every if name.startswith("*."))

    def has(self, host: str) -> bool:
        """Whether a ``Host`` header, with a port or without, names one of them."""
        name = host_name(host)
        return name in self._exact or name.endswith(self._endings) or is_address(name)


class OwnHost:
    """Answers with a problem of status 421 to a request for another host."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http":
            named = Headers(scope=scope).getlist("host")
            if len(named) != 1 or not self._hosts.has(named[0]):
                told = f"{named[0]!r:.100}" if named else "no host"
                await _refuse(
                    MisdirectedRequestError(f"this API is not {told}; FEDFACE_API_HOSTS says by which names it is reached"),
                    scope,
                    receive,
                    send,
                )
                return
        await self._app(scope, receive, send)


class OwnPages:
    """Answers with a problem of status 403 to a request that changes something, if a page of another site has sent it; and
    with one of status 415 to a body that is not declared to be JSON. A PUT has a model as its body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            headers = Headers(scope=scope)
            if is_of_another_site(headers.get("sec-fetch-site"), headers.get("origin"), headers.get("host", "")):
                complaint = "a page of another site has sent this request; no page but the API's own may change anything"
                await _refuse(ForeignPageError(complaint), scope, receive, send)
                return
            if scope["method"] != "PUT" and _has_body(headers) and not _is_json(headers.get("content-type", "")):
                told = headers.get("content-type", "") or "nothing"
                complaint = f"the body is declared as {told!r:.100}; send Content-Type: application/json"
                await _refuse(UnsupportedBodyError(complaint), scope, receive, send)
                return
        await self._app(scope, receive, send)


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0").strip() not in ("", "0") or "transfer-encoding" in headers


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


async def _refuse(error: RefusedRequestError, scope: Scope, receive: Receive, send: Send) -> None:
    response = refusal(error)
    response.headers["Connection"] = "close"  # the body is not read
    await response(scope, receive, send)
