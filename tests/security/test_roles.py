"""Who may call what: the table in the documentation is that of the routes, and each role is let in and refused by it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from fedface_core.adapters.memory import MemoryApiKeys
from fedface_core.domain.role import MAY, Role, with_included
from support.signing_in import bearer, client_of, closed_sign_in, key_for

PAGE = Path(__file__).parents[2] / "docs/sign-in.md"
OPEN = {"GET /healthz", "GET /readyz", "GET /v1/sign-in"}
ANY_ROLE = {"GET /v1/me"}
PLACEHOLDERS = {"run_id": "run-0123456789ab", "number": "0", "n": "0", "key_id": "0" * 16}
COLUMNS = [Role.VIEWER, Role.OPERATOR, Role.UPLOADER, Role.ADMIN, Role.METRICS]

Operations = dict[str, Role | None]


@pytest.fixture(scope="module")
def keys() -> MemoryApiKeys:
    return MemoryApiKeys()


@pytest.fixture(scope="module")
def api(keys: MemoryApiKeys) -> Iterator[TestClient]:
    with client_of(closed_sign_in(keys=keys)) as client:
        yield client


@pytest.fixture(scope="module")
def operations(api: TestClient) -> Operations:
    """Each operation, and the role that its scope in the OpenAPI document is; None if it has none."""
    found: Operations = {}
    for path, methods in api.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            scopes = {scope for way in operation.get("security", []) for scopes in way.values() for scope in scopes}
            assert len(scopes) <= 1, f"{method} {path} takes one role"
            found[f"{method.upper()} {path}"] = Role(scopes.pop()) if scopes else None
    return found


def row(operation: str, needed: Role) -> str:
    cells = ["yes" if needed in with_included([role]) else "" for role in COLUMNS]
    return f"| `{operation}` | {' | '.join(cells)} |"


def test_every_operation_takes_a_role_but_a_few(operations: Operations) -> None:
    assert {operation for operation, role in operations.items() if role is None} == OPEN | ANY_ROLE


def test_what_changes_something_is_for_no_viewer(operations: Operations) -> None:
    harmless = {"POST /v1/plans:check"}
    changing = {operation for operation, role in operations.items() if not operation.startswith("GET ")} - harmless
    assert {operation for operation in changing if operations[operation] is Role.VIEWER} == set()


def test_what_a_role_may_is_said_in_the_documentation_as_in_the_console() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {str(role): text for role, text in MAY.items()}


def test_the_documented_table_is_that_of_the_routes(operations: Operations) -> None:
    rows = re.findall(r"^\| `(?:GET|POST|PUT|DELETE|PATCH) .*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(row(operation, role) for operation, role in operations.items() if role is not None)


def call(api: TestClient, operation: str, headers: dict[str, str]) -> Any:
    """Call an operation for things that are not there, without a body."""
    method, path = operation.split(" ", 1)
    for name, value in PLACEHOLDERS.items():
        path = path.replace(f"{{{name}}}", value)
    path = re.sub(r"\{\w+\}", "0" * 64, path)
    return api.request(method, path, headers=headers)


@pytest.mark.parametrize("role", Role)
def test_a_role_is_let_in_and_refused_by_the_table(
    api: TestClient, keys: MemoryApiKeys, operations: Operations, role: Role
) -> None:
    headers = bearer(key_for(keys, f"one {role}", [role]))
    for operation, needed in operations.items():
        answer = call(api, operation, headers)
        if needed is None or needed in with_included([role]):
            assert answer.status_code not in (401, 403), f"{role} may {operation}: {answer.text}"
        else:
            assert answer.status_code == 403, f"{role} may not {operation}"
            assert answer.headers["content-type"] == "application/problem+json"
            assert f"this takes the role {needed}" in answer.json()["detail"]
            assert answer.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{needed}"'


def test_who_has_no_role_may_only_ask_who_that_is(api: TestClient, operations: Operations) -> None:
    for operation in operations:
        status = call(api, operation, {}).status_code
        assert (status == 401) == (operation not in OPEN), operation


def test_a_path_that_is_not_there_is_told_to_those_who_have_signed_in(api: TestClient, keys: MemoryApiKeys) -> None:
    headers = bearer(key_for(keys, "curious", [Role.VIEWER]))
    assert api.get("/v1/nothing").status_code == 401
    assert api.get("/v1/nothing", headers=headers).status_code == 404
