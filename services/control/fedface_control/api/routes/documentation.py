"""The API's documentation: its OpenAPI document, and a page that shows it from files of the package.

The page asks no other host for anything. `swagger_ui/README.md` says where its files come from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from fedface_control.api.openapi_document import server

FILES: Final = Path(__file__).parents[1] / "swagger_ui"


def add_documentation(app: FastAPI) -> None:
    """Have the app serve `/openapi.json` and `/docs`, and lead from `/` to the latter."""
    app.add_route("/openapi.json", _document, include_in_schema=False)
    app.add_route("/docs", _page, include_in_schema=False)
    app.mount("/docs", StaticFiles(directory=FILES))
    app.add_route("/", _to_page, include_in_schema=False)


async def _document(request: Request) -> JSONResponse:
    """The document, with the path prefix under which a reverse proxy offers the API."""
    app: FastAPI = request.app
    return JSONResponse(app.openapi() | {"servers": [server(request.scope.get("root_path", ""))]})


async def _page(_request: Request) -> FileResponse:
    return FileResponse(FILES / "index.html")  # its links are relative, so they need no prefix


async def _to_page(request: Request) -> RedirectResponse:
    return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")
