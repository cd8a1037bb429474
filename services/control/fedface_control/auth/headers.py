"""The headers that tell browsers, and caches between, what they may do with an answer."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COMMON: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FOR_DATA: Final = "default-src 'none'; frame-ancestors 'none'"
FOR_PAGES: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of a page, such as /docs: it loads the API's own files only. Swagger UI writes styles into the page itself."""
OVER_TLS: Final = "max-age=31536000"
"""``Strict-Transport-Security``: for a year browsers ask by https only."""
PERSONAL: Final = "no-store"
"""``Cache-Control`` of an answer that is for who has signed in, unless the operation says something else."""


class SecurityHeaders:
    """Adds these headers to every answer, and replaces none that an operation has set. ``over_tls``: the API speaks TLS."""

    def __init__(self, app: ASGIApp, *, over_tls: bool) -> None:
        self._app = app
        self._over_tls = over_tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in COMMON.items():
                    headers.setdefault(name, value)
                is_page = headers.get("content-type", "").startswith("text/html")
                headers.setdefault("Content-Security-Policy", FOR_PAGES if is_page else FOR_DATA)
                if self._over_tls or scope.get("scheme") == "https":
                    headers.setdefault("Strict-Transport-Security", OVER_TLS)
                if "fedface.principal" in scope or message["status"] >= 400:
                    headers.setdefault("Cache-Control", PERSONAL)
            await send(message)

        await self._app(scope, receive, with_headers)
