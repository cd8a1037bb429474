"""The API's own description: examples that work, and every error as it is really answered."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from fastapi.testclient import TestClient


@pytest.fixture
def described(api: TestClient) -> dict[str, Any]:
    body: dict[str, Any] = api.get("/openapi.json").json()
    return body


def test_every_route_of_the_issue_is_described(described: dict[str, Any]) -> None:
    routes = {f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods}
    assert routes == {
        "POST /runs",
        "GET /runs",
        "GET /runs/{run_id}",
        "POST /runs/{run_id}/start",
        "POST /runs/{run_id}/clone",
        "POST /runs/{run_id}/pause",
        "POST /runs/{run_id}/resume",
        "POST /runs/{run_id}/cancel",
        "DELETE /runs/{run_id}",
        "POST /runs/{run_id}/restore",
        "POST /restore",
        "POST /runs/{run_id}/rounds/{number}/close",
        "POST /runs/{run_id}/rounds/{number}/retry",
        "POST /runs/{run_id}/rounds/{number}/skip-evaluation",
        "GET /runs/{run_id}/rounds",
        "GET /runs/{run_id}/rounds/{number}/report",
        "GET /runs/{run_id}/events",
        "GET /runs/{run_id}/model",
        "PUT /models/{sha256}",
        "GET /garbage",
        "DELETE /garbage",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


def test_creating_a_run_has_examples(described: dict[str, Any]) -> None:
    content = described["paths"]["/runs"]["post"]["requestBody"]["content"]["application/json"]
    assert set(content["examples"]) == {"orl", "synthetic"}


def test_every_route_says_what_it_does(described: dict[str, Any]) -> None:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description") or path == "/metrics", f"{method} {path}"


def test_errors_are_described_as_problem_details(described: dict[str, Any]) -> None:
    """Not as FastAPI's own validation error, which this API never answers with."""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if int(status) < 400 or path == "/readyz":
                    continue
                assert list(response["content"]) == ["application/problem+json"], f"{method} {path} {status}"
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, f"{method} {path} {status}"
    assert "HTTPValidationError" not in described["components"]["schemas"]


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/runs", "post", {"422"}),
        ("/runs/{run_id}", "get", {"404"}),
        ("/runs/{run_id}/start", "post", {"404", "409"}),
        ("/runs/{run_id}/cancel", "post", {"404", "409"}),
        ("/runs/{run_id}/events", "get", {"404", "422"}),
        ("/runs/{run_id}/model", "get", {"404", "409"}),
        ("/models/{sha256}", "put", {"422"}),
        ("/readyz", "get", {"503"}),
    ],
)
def test_a_route_describes_how_it_refuses(described: dict[str, Any], path: str, method: str, statuses: set[str]) -> None:
    assert statuses <= described["paths"][path][method]["responses"].keys()


def test_control_never_imports_torch() -> None:
    """In a process of its own: this one has torch for the other services."""
    code = (
        "import sys, fedface_control.api, fedface_control.tasks, fedface_control.worker\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('torch', 'numpy', 'PIL')])"
    )
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert imported.stdout.strip() == "[]"
