"""The console's web application."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

import httpx
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from fedface_console.begun_sign_ins import BegunSignIns
from fedface_console.errors import PageError, SignedOutError
from fedface_console.issuer import OidcClient, Registration
from fedface_console.issuer_sessions import IssuerSessions
from fedface_console.live import Streams
from fedface_console.pages import access, compare, events, fleet, models, plans, run, runs, sign_in, sign_in_at_issuer
from fedface_console.prometheus import Prometheus
from fedface_console.protection import Protection
from fedface_console.sessions import Sessions
from fedface_console.settings import ConsoleSettings
from fedface_console.sparklines import Sparklines
from fedface_console.templating import ASSETS, notice, page, templates
from fedface_core.domain.ids import RUN_ID_PATTERN
from fedface_core.http_server.capacity import Capacity

ROUTERS: Final = tuple(
    module.router for module in (runs, run, events, compare, plans, models, fleet, access, sign_in, sign_in_at_issuer)
)

DEFAULT_CAPACITY: Final = Capacity()


class _Assets(StaticFiles):
    """Files whose addresses have their digests, so that browsers keep them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if scope["query_string"] else "no-cache"
        return answer


def create_app(
    settings: ConsoleSettings,
    http: httpx.AsyncClient,
    issuer: httpx.AsyncClient,
    prometheus: httpx.AsyncClient | None = None,
    capacity: Capacity = DEFAULT_CAPACITY,
) -> FastAPI:
    """The console over the API that ``http`` reaches, the issuer that ``issuer`` does, and the Prometheus that
    ``prometheus`` does, if there is one. It closes all of them at its end.

    It serves as many live pages by streams as ``capacity`` says, and reads files in as many threads. The server that runs it
    has to bound the connections.
    """
    secret = settings.secret

    @asynccontextmanager
    async def bounded_and_closing(_app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = capacity.threads
        yield
        await http.aclose()
        await issuer.aclose()
        if prometheus is not None:
            await prometheus.aclose()

    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=bounded_and_closing,
        middleware=[
            Middleware(Protection, hosts=settings.hosts),
            Middleware(Sessions, secret=secret, secure=settings.has_secure_cookies),
        ],
    )
    app.state.http = http
    app.state.prometheus = None if prometheus is None else Prometheus(prometheus)
    app.state.settings = settings
    app.state.oidc = _own_client(settings, issuer)
    app.state.begun_sign_ins = BegunSignIns(secret)
    app.state.issuer_sessions = IssuerSessions()
    app.state.templates = templates()
    app.state.streams = Streams(capacity.event_streams)
    app.state.sparklines = Sparklines()
    for name, folder in ASSETS.items():
        app.mount(f"/{name}", _Assets(directory=folder))
    for router in ROUTERS:
        app.include_router(router)
    app.add_route("/healthz", _alive)
    app.add_exception_handler(PageError, _page_error)
    app.add_exception_handler(RequestValidationError, _wrong_address)
    app.add_exception_handler(HTTPException, _http_error)
    return app


def _own_client(settings: ConsoleSettings, issuer: httpx.AsyncClient) -> OidcClient | None:
    """The console's client at the issuer; None if it has none."""
    if settings.console_oidc_client_id is None:
        return None
    registration = Registration(
        client_id=settings.console_oidc_client_id,
        client_secret=settings.console_oidc_client_secret,
        scopes=settings.console_oidc_scopes,
        redirect_uri=f"{settings.console_url}{sign_in_at_issuer.DONE}",
    )
    return OidcClient(issuer, registration)


async def _alive(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok\n")


async def _page_error(request: Request, error: Exception) -> Response:
    """The page of an error; a part of one if only a part was asked for; the sign-in if the reader is signed out."""
    assert isinstance(error, PageError), "the handler is for these"
    if "hx-request" in request.headers:
        return HTMLResponse(notice(request, error), error.status)
    if isinstance(error, SignedOutError) and request.method == "GET":
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?back={quote(back, safe='')}", 303)
    sent_by = _page_of(request.url.path) if isinstance(error, SignedOutError) else None
    return page(request, "error.html", error.status, error=error, back=sent_by)


def _page_of(path: str) -> str:
    """The page that has a form which is sent to an address."""
    return re.sub(rf"^(/runs/{RUN_ID_PATTERN})/actions/.*|^(/access)/.*", r"\1\2", path)


async def _wrong_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError), "the handler is for these"
    where = ", ".join(str(one["loc"][-1]) for one in error.errors()[:5])
    wrong = PageError(f"The address of this page has a wrong value: {where}.")
    wrong.status = 422
    return await _page_error(request, wrong)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "the handler is for these"
    missing = PageError("There is no such page." if error.status_code == 404 else str(error.detail))
    missing.status = error.status_code
    return await _page_error(request, missing)
