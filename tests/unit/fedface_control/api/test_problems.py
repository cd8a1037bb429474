"""Errors are problem details, in the OpenAPI document and in every answer."""

from __future__ import annotations

import ast
import asyncio
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient

import fedface_control
import fedface_core
from fedface_control.api.problems import HTTP_TITLES
from fedface_core.contracts.http import PROBLEM_TYPES, problem_type
from fedface_core.domain.errors import FedFaceError, UnavailableError
from support.in_process import InProcess
from support.problem_details import problem

PAGE = Path(__file__).parents[4] / "docs/problems.md"


def kinds_of(kind: type[FedFaceError]) -> Iterator[type[FedFaceError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds_of(below)


def titles() -> dict[str, set[int]]:
    """Title → statuses, of every error of the core and of control, and of those that only HTTP knows."""
    for package in (fedface_core, fedface_control):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(("__main__", ".worker", ".tasks")):
                import_module(module.name)
    found = {title: {status} for status, title in HTTP_TITLES.items()}
    for kind in kinds_of(FedFaceError):
        if kind.__module__.startswith("fedface_core.secure_aggregation"):
            continue  # errors of devices and of the aggregator, which no answer has
        if kind.__module__.split(".")[0] in ("fedface_core", "fedface_control"):
            found.setdefault(kind.title, set()).add(kind.status)
    return found


def test_each_type_of_problem_has_a_section_that_says_its_status_and_each_section_a_type() -> None:
    sections = dict(re.findall(r"^### (\S+)\n([\s\S]*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE))
    types: dict[str, set[int]] = {}
    for title, statuses in titles().items():
        types.setdefault(problem_type(title).removeprefix(PROBLEM_TYPES), set()).update(statuses)
    assert sections.keys() == types.keys()
    for name, statuses in types.items():
        (status,) = statuses  # one type, one status
        assert sections[name].startswith(f"{status}. "), name


def test_no_problem_has_a_title_that_the_page_does_not_know() -> None:
    known = titles()
    found = set()
    for file in Path(fedface_control.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "problem_response":
                found |= {title.value for title in node.args[:1] if isinstance(title, ast.Constant)}
    assert found
    assert found <= known.keys()


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


@pytest.mark.parametrize(("body", "message"), [(b"{", "the body is not JSON"), (b"", "is required")])
def test_a_body_that_is_no_json_is_refused(api: TestClient, body: bytes, message: str) -> None:
    refused = problem(api.post("/v1/runs", content=body, headers={"Content-Type": "application/json"}), 422, "Invalid input")
    assert message in refused.detail


def test_a_body_that_is_no_text_is_refused(api: TestClient) -> None:
    refused = problem(
        api.post("/v1/runs", content=b"\xff", headers={"Content-Type": "application/json"}), 400, "Bad Request"
    )
    assert refused.detail == "POST /v1/runs: There was an error parsing the body"


def test_an_unknown_path_and_a_wrong_method_are_problems_too(api: TestClient) -> None:
    assert problem(api.get("/walks"), 404, "Not Found").detail == "GET /walks: Not Found"
    assert problem(api.delete("/v1/runs"), 405, "Method Not Allowed").detail == "DELETE /v1/runs: Method Not Allowed"


def test_a_ledger_that_is_down_is_a_503_that_says_why(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise UnavailableError("Redis at redis:6379 does not answer")

    monkeypatch.setattr(services.ports.ledger, "runs", down)
    assert problem(api.get("/v1/runs"), 503, "Unavailable").detail == "Redis at redis:6379 does not answer"


def test_an_unforeseen_error_shows_no_traceback(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(services.ports.ledger, "runs", crash)
    with structlog.testing.capture_logs() as logs:
        response = api.get("/v1/runs")
    problem(response, 500, "Internal error")
    assert "secret detail" not in response.text
    assert "Traceback" not in response.text
    (crashed,) = (entry for entry in logs if entry["event"] == "request_crashed")
    assert isinstance(crashed["exc_info"], ZeroDivisionError), "the log has it"


def test_only_the_first_errors_are_named_and_all_are_counted(api: TestClient) -> None:
    refused = problem(api.post("/v1/runs", json={f"{number}" * 400: 1 for number in range(1000)}), 422, "Invalid input")
    assert len(refused.errors) == 20
    assert refused.detail.endswith("; these are the first 20 of 1000 errors")
    assert max(len(error.field) for error in refused.errors) == 300


@pytest.mark.parametrize("path", [f"/v1/models/{'0' * 64}", "/v1/runs"])
def test_a_client_that_goes_before_its_body_is_whole_is_no_crash(api: TestClient, path: str) -> None:
    """So nobody fills the log with tracebacks by leaving."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "PUT" if "models" in path else "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"localhost"), (b"content-length", b"100"), (b"content-type", b"application/json")],
        "client": ("192.0.2.1", 1),
        "server": ("api", 80),
    }
    coming = iter([{"type": "http.request", "body": b"{", "more_body": True}])

    async def receive() -> Any:
        return next(coming, {"type": "http.disconnect"})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def serve() -> None:
        await api.app(scope, receive, send)

    with structlog.testing.capture_logs() as logs:
        asyncio.run(serve())
    assert sent[0]["status"] == 400
    assert [record["log_level"] for record in logs if record["log_level"] != "info"] == []
