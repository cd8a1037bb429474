"""What an operation asks of who calls it, in deed and in the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fedface_control.auth.errors import add_refusals
from fedface_control.auth.principal import Principal
from fedface_control.auth.roles import requires
from fedface_core.domain.role import Role


def app_for(principal: Principal | None) -> FastAPI:
    """An app whose requests are all sent by this principal."""
    app = FastAPI()
    add_refusals(app)

    @app.get("/operate", dependencies=[requires(Role.OPERATOR)])
    async def operate() -> str:
        return "done"

    class SignedInAs:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if principal is not None:
                scope["fedface.principal"] = principal
            await self._inner(scope, receive, send)

    app.add_middleware(SignedInAs)
    return app


def call(principal: Principal | None) -> Any:
    with TestClient(app_for(principal)) as client:
        return client.get("/operate")


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_who_has_the_role_or_one_above_it_may(role: Role) -> None:
    assert call(Principal("key:ann", frozenset({role}))).json() == "done"


@pytest.mark.parametrize("roles", [{Role.VIEWER}, {Role.UPLOADER}, {Role.METRICS}, {Role.VIEWER, Role.UPLOADER}, set()])
def test_who_has_not_may_not_and_is_told_what_it_takes(roles: set[Role]) -> None:
    refused = call(Principal("key:ann", frozenset(roles)))
    assert refused.status_code == 403
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="operator"'
    assert refused.json()["detail"] == f"this takes the role operator; key:ann has {', '.join(sorted(roles)) or 'none'}"


def test_where_nobody_was_asked_to_sign_in_nobody_may() -> None:
    refused = call(None)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_the_role_is_a_scope_of_both_schemes() -> None:
    described = app_for(None).openapi()
    assert described["paths"]["/operate"]["get"]["security"] == [{"bearer": ["operator"]}, {"openIdConnect": ["operator"]}]
    assert {scheme["type"] for scheme in described["components"]["securitySchemes"].values()} == {"http", "openIdConnect"}
