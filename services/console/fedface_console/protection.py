"""What keeps other sites' pages, and other hosts' names, away from the console."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedface_core.domain.page_origin import host_name, is_address, is_of_another_site

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, no script and no style within a page, and no page of ours within another one."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_SAFE: Final = frozenset({"GET", "HEAD"})


class Protection:
    """ASGI middleware: each answer has `HEADERS`; only the names of this host, and only our own pages, are served.

    A name that somebody else's name server leads here (DNS rebinding) is refused with 421, and a form that a page of
    another site sends, with 403.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        host = headers.get("host", "")
        app = self._app
        if not self._is_ours(host):
            app = PlainTextResponse("This name is not one of the console: set FEDFACE_CONSOLE_HOSTS.\n", 421)
        elif scope["method"] not in _SAFE and is_of_another_site(headers.get("sec-fetch-site"), headers.get("origin"), host):
            app = PlainTextResponse("A page of another site has sent this form. Nothing was done.\n", 403)
        await app(scope, receive, send_protected)

    def _is_ours(self, host: str) -> bool:
        name = host_name(host)
        return name == "localhost" or name in self._hosts or is_address(name)
