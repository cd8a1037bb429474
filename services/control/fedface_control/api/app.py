"""The control API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import structlog
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator

from fedface_control.api.bounded_body import BoundedBody
from fedface_control.api.capacity import DEFAULT_CAPACITY, Capacity
from fedface_control.api.methods import KnownMethods
from fedface_control.api.problems import ProblemApi, add_problem_handlers
from fedface_control.api.routes import events, garbage, health, keys, models, rounds, runs
from fedface_control.api.routes import sign_in as sign_in_routes
from fedface_control.api.run_feed import RunFeeds
from fedface_control.api.run_metrics import RunMetrics
from fedface_control.auth.browsers import OwnHost, OwnPages
from fedface_control.auth.described import describe_sign_in
from fedface_control.auth.errors import add_refusals
from fedface_control.auth.headers import SecurityHeaders
from fedface_control.auth.roles import Role, requires
from fedface_control.auth.sign_in import SignedIn, SignIn
from fedface_control.operate.quota import DEFAULT_QUOTA, Quota
from fedface_core.ports import Ports


class _Api(ProblemApi):
    """An API whose OpenAPI document says how its operations are called: signed in, or by everybody."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return describe_sign_in(super().openapi(), self.state.sign_in)


def create_app(
    ports: Ports,
    registry: CollectorRegistry,
    sign_in: SignIn,
    capacity: Capacity = DEFAULT_CAPACITY,
    quota: Quota = DEFAULT_QUOTA,
) -> FastAPI:
    """The API over ``ports``, for those whom ``sign_in`` lets in. Its metrics and those of the runs are added to
    ``registry``, which /metrics exports.

    It serves as many event streams at once as ``capacity`` says, and works in as many threads. The server that runs it has
    to bound the connections. It creates runs within ``quota``.
    """

    @asynccontextmanager
    async def bounded_threads(_app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = capacity.threads
        yield

    app = _Api(
        title="FedFace control",
        version=version("fedface-control"),
        lifespan=bounded_threads,
        description="Create, start, watch, pause, resume and cancel federated runs. Errors are problem details (RFC 9457), "
        "also for what no operation describes: an unknown path (404), a method that the path has not (405), or HTTP has "
        "not (501).",
    )
    app.state.ports = ports
    app.state.quota = quota
    app.state.sign_in = sign_in
    app.state.event_streams = events.EventStreams(
        RunFeeds(ports.ledger), capacity.event_streams, capacity.event_streams_of_run, capacity.event_streams_of_client
    )
    app.state.uploads = models.Uploads(capacity.uploads, capacity.model_bytes)
    add_problem_handlers(app)
    add_refusals(app)
    # The innermost: what its reading raises would reach the routes as a group of errors through the next one.
    app.add_middleware(BoundedBody, model_bytes=capacity.model_bytes)
    app.add_middleware(SignedIn, sign_in=sign_in)
    app.middleware("http")(_name_run_in_logs)
    for router in (
        *(runs.router, rounds.router, events.router, models.router, garbage.router, health.router),
        *(keys.router, sign_in_routes.router),
    ):
        app.include_router(router)
    registry.register(RunMetrics(ports))
    Instrumentator(registry=registry, excluded_handlers=["/metrics"]).instrument(app).expose(
        app, tags=["health"], response_class=PlainTextResponse, dependencies=[requires(Role.METRICS)]
    )
    app.add_middleware(OwnPages)
    app.add_middleware(OwnHost, hosts=sign_in.hosts)
    app.add_middleware(KnownMethods)  # outside of what measures, so that no metric sees an invented method
    app.add_middleware(SecurityHeaders, over_tls=sign_in.over_tls)  # the outermost: every answer has them
    return app


async def _name_run_in_logs(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    with structlog.contextvars.bound_contextvars(method=request.method, path=request.url.path):
        return await proceed(request)
