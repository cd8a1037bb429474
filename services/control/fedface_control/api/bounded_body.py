"""How many bytes the body of a request may have, whether its length is told before or not.

FastAPI's `max_body_size` counts too, but answers with plain text if the length is told before (Starlette 1.10).
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedface_control.api.problems import problem_response

MAX_BODY_BYTES = 2 * 2**20
"""Of a request's JSON. The longest trace of a plan takes about a megabyte."""


class BoundedBody:
    """Answers with a problem of status 413 to a body above `MAX_BODY_BYTES`. A PUT, which is a model's upload, may have
    ``model_bytes``.
    """

    def __init__(self, app: ASGIApp, model_bytes: int) -> None:
        self._app = app
        self._model_bytes = model_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its body counted as it is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._model_bytes if scope["method"] == "PUT" else MAX_BODY_BYTES
        complaint = f"the body of this request has more than {most:,} bytes"
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told) > most:
            refusal = problem_response("Content Too Large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, complaint)
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, complaint, {"Connection": "close"})
            return message

        await self._app(scope, counted, send)
