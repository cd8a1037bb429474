"""The paths of the API before it had versions: each leads to the same path under `/v1`, whatever the method."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse

from fedface_control.api.methods import METHODS
from fedface_control.auth.sign_in import path_without_prefix
from fedface_core.contracts.http import V1

_FIRST_PARTS = ("runs", "models", "garbage", "restore")


def add_unversioned_paths(app: FastAPI) -> None:
    """Have the app answer with status 308 to each path that had no version; `Location` has the path that has one.

    A client that follows it sends the same request again, with its method and its body.
    """
    for first in _FIRST_PARTS:
        for path in (f"/{first}", f"/{first}/{{rest:path}}"):
            app.add_route(path, _moved, methods=[*METHODS], include_in_schema=False)


async def _moved(request: Request) -> RedirectResponse:
    prefix = request.scope.get("root_path", "")
    query = f"?{request.url.query}" if request.url.query else ""
    place = f"{prefix}{V1}{quote(path_without_prefix(request.scope))}{query}"
    return RedirectResponse(place, HTTPStatus.PERMANENT_REDIRECT)
