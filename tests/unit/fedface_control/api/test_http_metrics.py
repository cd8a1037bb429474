"""The counts of requests are there at 0 before the first one: each route, method and kind of status, and no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator

from fedface_control.api.app import create_app
from fedface_control.api.http_metrics import STATUSES, HttpMetrics
from support.control_rounds import Control
from support.open_sign_in import open_sign_in


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def api(registry: CollectorRegistry) -> Iterator[TestClient]:
    app = FastAPI()
    router = APIRouter(prefix="/runs")

    @router.get("/{run_id}")
    def show(run_id: str) -> str:
        if run_id == "damaged":
            raise RuntimeError(run_id)
        return run_id

    app.include_router(router)
    Instrumentator(registry=registry).add(HttpMetrics(app, registry)).instrument(app)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def samples(registry: CollectorRegistry) -> dict[tuple[str, str, str], float]:
    found = [sample for family in registry.collect() for sample in family.samples if sample.name == "http_requests_total"]
    return {(one.labels["handler"], one.labels["method"], one.labels["status"]): one.value for one in found}


def test_the_first_error_of_a_route_is_an_increase(api: TestClient, registry: CollectorRegistry) -> None:
    before = samples(registry)
    assert before["/runs/{run_id}", "GET", "5xx"] == 0
    assert api.get("/runs/damaged").status_code == 500
    after = samples(registry)
    assert {key: value for key, value in after.items() if before[key] != value} == {("/runs/{run_id}", "GET", "5xx"): 1}


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/runs/1"), ("GET", "/nothing"), ("PATCH", "/" + "x" * 99)])
def test_what_no_route_takes_is_counted_together(
    api: TestClient, registry: CollectorRegistry, method: str, path: str
) -> None:
    before = samples(registry)
    api.request(method, path)
    after = samples(registry)
    assert after.keys() == before.keys()
    assert after["none", "other", "4xx"] == before["none", "other", "4xx"] + 1


def test_every_operation_of_the_api_is_there_at_zero(registry: CollectorRegistry) -> None:
    app = create_app(Control.empty().ports, registry, open_sign_in())
    operations = {
        (path, method.upper())
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if path != "/metrics"
    }
    found = samples(registry)
    assert operations <= {(handler, method) for handler, method, _ in found}
    assert set(found.values()) == {0.0}
    assert len(found) % len(STATUSES) == 0
