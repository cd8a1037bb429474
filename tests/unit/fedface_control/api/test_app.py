"""The API as a whole: its OpenAPI document, its metrics, and what a look at it costs."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from fedface_core.adapters.memory.ledger import MemoryLedger
from support.in_process import InProcess
from support.problem_details import problem
from support.prometheus_text import Samples, scrape, value


def test_every_route_of_the_issue_is_described(described: dict[str, Any]) -> None:
    routes = {f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods}
    assert routes == {
        "POST /v1/runs",
        "GET /v1/runs",
        "GET /v1/runs/{run_id}",
        "POST /v1/runs/{run_id}/start",
        "POST /v1/runs/{run_id}/clone",
        "POST /v1/runs/{run_id}/pause",
        "POST /v1/runs/{run_id}/resume",
        "POST /v1/runs/{run_id}/cancel",
        "DELETE /v1/runs/{run_id}",
        "POST /v1/runs/{run_id}/restore",
        "POST /v1/restore",
        "POST /v1/runs/{run_id}/rounds/{number}/close",
        "POST /v1/runs/{run_id}/rounds/{number}/retry",
        "POST /v1/runs/{run_id}/rounds/{number}/skip-evaluation",
        "GET /v1/runs/{run_id}/rounds",
        "GET /v1/runs/{run_id}/rounds/{number}/report",
        "GET /v1/runs/{run_id}/events",
        "GET /v1/runs/{run_id}/model",
        "GET /v1/runs/{run_id}/rounds/{number}",
        "GET /v1/runs/{run_id}/rounds/{number}/model",
        "POST /v1/plans:check",
        "GET /v1/models",
        "GET /v1/models/{sha256}",
        "GET /v1/models/{sha256}/card",
        "PUT /v1/models/{sha256}",
        "GET /v1/dead-letters",
        "GET /v1/garbage",
        "DELETE /v1/garbage",
        "POST /v1/keys",
        "GET /v1/keys",
        "DELETE /v1/keys/{key_id}",
        "GET /v1/me",
        "GET /v1/sign-in",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


def test_creating_a_run_has_examples(described: dict[str, Any]) -> None:
    content = described["paths"]["/v1/runs"]["post"]["requestBody"]["content"]["application/json"]
    assert set(content["examples"]) == {"orl", "synthetic"}


def test_every_route_says_what_it_does(described: dict[str, Any]) -> None:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description") or path == "/metrics", f"{method} {path}"


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/v1/runs", "post", {"422"}),
        ("/v1/runs/{run_id}", "get", {"404"}),
        ("/v1/runs/{run_id}/start", "post", {"404", "409"}),
        ("/v1/runs/{run_id}/cancel", "post", {"404", "409"}),
        ("/v1/runs/{run_id}/events", "get", {"404", "422"}),
        ("/v1/runs/{run_id}/model", "get", {"404", "409"}),
        ("/v1/models/{sha256}", "put", {"422"}),
        ("/readyz", "get", {"503"}),
    ],
)
def test_a_route_describes_how_it_refuses(described: dict[str, Any], path: str, method: str, statuses: set[str]) -> None:
    assert statuses <= described["paths"][path][method]["responses"].keys()


def test_requests_are_measured_by_route_not_by_run(api: TestClient, services: InProcess) -> None:
    def requests(samples: Samples) -> float:
        return value(samples, "http_requests_total", handler="/v1/runs/{run_id}", method="GET", status="2xx") or 0

    run_id = services.start()
    before = requests(scrape(api))
    for _ in range(2):
        api.get(f"/v1/runs/{run_id}")
    samples = scrape(api)
    assert requests(samples) == before + 2
    assert not any(run_id in text for name, labels in samples for _, text in labels if name.startswith("http_"))


def test_looking_reads_no_cohort(api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at a run, at its rounds, at the metrics costs the same however many clients a round has."""
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)

    def whole(*_: object) -> None:
        raise AssertionError("the whole round was read")

    for reading in ("load_round", "rounds", "tally", "accepted"):
        monkeypatch.setattr(MemoryLedger, reading, whole)
    for path in (
        f"/v1/runs/{run_id}",
        "/v1/runs",
        f"/v1/runs/{run_id}/rounds",
        "/metrics",
        f"/v1/runs/{run_id}/events?follow=false",
    ):
        assert api.get(path).status_code == 200, path


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", f"/v1/runs/{'x' * 101}", {}),
        ("GET", f"/v1/runs?before={'x' * 101}", {}),
        ("DELETE", f"/v1/runs/run-0?confirm={'x' * 101}", {}),
        ("GET", "/v1/runs/run-0/events", {"Last-Event-ID": "1" * 101}),
        ("GET", f"/v1/runs/run-0/rounds/{10**9}/report", {}),
        ("GET", "/v1/runs/run-0/rounds/-1/report", {}),
    ],
)
def test_every_part_of_a_request_is_bounded(api: TestClient, method: str, path: str, headers: dict[str, str]) -> None:
    assert len(problem(api.request(method, path, headers=headers), 422, "Invalid input").errors) == 1
