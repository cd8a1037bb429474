"""Counts and durations of the API's requests, by route, each exported at 0 before the first request.

The instrumentator's own metrics appear with their first count, which `increase` and `rate` then miss: the first 5xx of a
route would be on no panel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_fastapi_instrumentator.metrics import Info
from starlette.routing import BaseRoute

from fedface_core.runtime.metrics import at_zero

STATUSES: Final = ("2xx", "3xx", "4xx", "5xx")
NO_ROUTE: Final = ("none", "other")
"""Path and method of a request that no route takes: what people invent becomes no label."""
_SECONDS: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60)
_FEW_SECONDS: Final = (0.1, 0.5, 1)


class HttpMetrics:
    """An instrumentation for `prometheus_fastapi_instrumentator` that counts the requests to the routes of ``app``.

    The app must have all its routes by now. Of an event stream, which may last hours, the time to its first byte counts.
    """

    def __init__(self, app: FastAPI, registry: CollectorRegistry) -> None:
        self._routes = {*_paths_and_methods(app.routes), NO_ROUTE}
        self._requests = Counter("http_requests", "Requests.", ["handler", "method", "status"], registry=registry)
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time until the answer begins, by route.",
            ["handler", "method"],
            buckets=_FEW_SECONDS,
            registry=registry,
        )
        self._all_seconds = Histogram(
            "http_request_duration_highr_seconds",
            "Time until the answer begins, of all requests.",
            buckets=_SECONDS,
            registry=registry,
        )
        for handler, method in self._routes:
            at_zero(self._requests, [handler], [method], STATUSES)
            at_zero(self._seconds, [handler], [method])

    def __call__(self, info: Info) -> None:
        """Count one request."""
        asked = (info.modified_handler, info.method)
        route = asked if asked in self._routes else NO_ROUTE
        self._requests.labels(*route, info.modified_status).inc()
        # A request that was never answered has a duration, and none until its answer.
        seconds = info.modified_duration_without_streaming or info.modified_duration
        self._seconds.labels(*route).observe(seconds)
        self._all_seconds.observe(seconds)


def _paths_and_methods(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Path and method of each route, also of those in routers. The metrics' own is not counted."""
    for route in routes:
        included: Any = getattr(route, "effective_route_contexts", None)  # FastAPI's wrapper of a router has no path
        for one in [route] if included is None else included():
            path = getattr(one, "path", None)
            if path is not None and path != "/metrics":
                yield from ((path, method) for method in getattr(one, "methods", None) or ())
