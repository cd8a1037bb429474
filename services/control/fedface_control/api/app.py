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
from starlette.datastructures import State

from fedface_control.api.bounded_body import BoundedBody
from fedface_control.api.capacity import DEFAULT_CAPACITY, ApiCapacity
from fedface_control.api.http_metrics import HttpMetrics
from fedface_control.api.methods import KnownMethods
from fedface_control.api.openapi_document import TAGS, DescribedApi
from fedface_control.api.operation_names import operation_id
from fedface_control.api.problems import add_problem_handlers
from fedface_control.api.routes import dead_letters, events, garbage, health, keys, models, plans, rounds, runs
from fedface_control.api.routes import sign_in as sign_in_routes
from fedface_control.api.routes.documentation import add_documentation
from fedface_control.api.routes.unversioned import add_unversioned_paths
from fedface_control.api.run_feed import RunFeeds
from fedface_control.api.run_metrics import RunMetrics
from fedface_control.auth.browsers import OwnHost, OwnPages
from fedface_control.auth.described import describe_sign_in
from fedface_control.auth.errors import add_refusals
from fedface_control.auth.headers import SecurityHeaders
from fedface_control.auth.roles import Role, requires
from fedface_control.auth.sign_in import SignedIn, SignIn
from fedface_control.operate.quota import DEFAULT_QUOTA, Quota
from fedface_core.contracts.http import V1
from fedface_core.ports import Ports


class _Api(DescribedApi):
    """An API whose OpenAPI document says how its operations are called: signed in, or by everybody."""

    def describe(self, described: dict[str, Any]) -> None:
        """Add who may call what."""
        describe_sign_in(described, self.state.sign_in)


def create_app(
    ports: Ports,
    registry: CollectorRegistry,
    sign_in: SignIn,
    capacity: ApiCapacity = DEFAULT_CAPACITY,
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
        contact={"name": "FedFace developers"},
        version=version("fedface-control"),
        openapi_tags=TAGS,
        openapi_url=None,  # `add_documentation` serves it
        lifespan=bounded_threads,
        generate_unique_id_function=operation_id,
        description="Create, start, watch, pause, resume and cancel federated runs. Errors are problem details (RFC 9457), "
        "each of a type that docs/problems.md explains, also for what no operation describes: an unknown path (404), a "
        "method that the path has not (405), or HTTP has not (501). A path of the time before `/v1` answers 308.",
    )
    app.state = state_of(ports, sign_in, capacity, quota)
    add_problem_handlers(app)
    add_refusals(app)
    # The innermost: what its reading raises would reach the routes as a group of errors through the next one.
    app.add_middleware(BoundedBody, model_bytes=capacity.model_bytes)
    app.add_middleware(SignedIn, sign_in=sign_in)
    app.middleware("http")(_name_run_in_logs)
    for router in (
        runs.router,
        rounds.router,
        events.router,
        models.router,
        plans.router,
        garbage.router,
        dead_letters.router,
        keys.router,
        sign_in_routes.router,
    ):
        app.include_router(router, prefix=V1)
    app.include_router(health.router)
    add_unversioned_paths(app)
    add_documentation(app)
    registry.register(RunMetrics(ports))
    instrumentator = Instrumentator(registry=registry, excluded_handlers=["^/metrics$"])
    instrumentator.add(HttpMetrics(app, registry)).instrument(app)
    instrumentator.expose(
        app,
        tags=["health"],
        response_class=PlainTextResponse,
        operation_id="getMetrics",
        summary="Get metrics",
        dependencies=[requires(Role.METRICS)],
    )
    app.add_middleware(OwnPages)
    app.add_middleware(OwnHost, hosts=sign_in.hosts)
    app.add_middleware(KnownMethods)  # outside of what measures, so that no metric sees an invented method
    app.add_middleware(SecurityHeaders, over_tls=sign_in.over_tls)  # the outermost: every answer has them
    return app


def state_of(ports: Ports, sign_in: SignIn, capacity: ApiCapacity = DEFAULT_CAPACITY, quota: Quota = DEFAULT_QUOTA) -> State:
    """What the operations of an API find in ``request.app.state``, by the arguments of `create_app`."""
    feeds = RunFeeds(ports.ledger)
    streams = (capacity.event_streams, capacity.event_streams_of_run, capacity.event_streams_of_client)
    return State(
        {
            "ports": ports,
            "quota": quota,
            "sign_in": sign_in,
            "event_streams": events.EventStreams(feeds, *streams),
            "uploads": models.Uploads(capacity.uploads),
        }
    )


async def _name_run_in_logs(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    with structlog.contextvars.bound_contextvars(method=request.method, path=request.url.path):
        return await proceed(request)
