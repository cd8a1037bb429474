"""Which HTTP methods a request may have: those of HTTP. An invented one ends here, before it becomes a label of a metric."""

from __future__ import annotations

from http import HTTPMethod, HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from fedface_control.api.problems import problem_response

METHODS = frozenset(HTTPMethod)


class KnownMethods:
    """Answers with a problem of status 501 to a request whose method is none of `METHODS`; passes on all others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] in METHODS:
            await self._app(scope, receive, send)
            return
        refusal = problem_response("Not Implemented", HTTPStatus.NOT_IMPLEMENTED, "the method is none of HTTP's")
        await refusal(scope, receive, send)
