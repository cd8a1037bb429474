"""The API below ``/v1``, where the commands ask for it, as long as the app itself has its operations at the root."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from fedface_cli.api_client import API_PREFIX


def below_version(app: FastAPI) -> ASGIApp:
    """The app as it is if it has operations below the prefix, else one that takes the prefix off each path."""
    if f"{API_PREFIX}/runs" in app.openapi()["paths"]:
        return app

    async def without_prefix(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path.startswith(f"{API_PREFIX}/"):
            rest = path.removeprefix(API_PREFIX)
            scope = dict(scope) | {"path": rest, "raw_path": rest.encode()}
        await app(scope, receive, send)

    return without_prefix
