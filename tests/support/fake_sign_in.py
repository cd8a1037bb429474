"""A control API that knows people, and its OIDC issuer, by the interface that the commands rely on.

Both answer on one port. A test says how the issuer answers each question about a code, and which tokens the API believes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE
from fedface_core.domain.plan import Plan
from support.served_app import served

CLIENT_ID = "fedface-cli"
CODE = "WDJB-MJHT"
DEVICE_SECRET = "device-secret-of-this-login"
KEY_ID = "0123456789abcdef"
KEY = f"ff_{KEY_ID}_{'s' * 43}"
Answer = tuple[int, dict[str, Any]]
PENDING: Answer = (400, {"error": "authorization_pending"})


@dataclass
class FakeSignIn:
    """What the two servers answer, and what they were asked."""

    url: str = ""
    is_open: bool = False
    issuer: str | None = ""
    device_authorization: bool = True
    believed: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    """Token → actor and roles."""
    code: dict[str, Any] = field(default_factory=dict)
    """Fields of the answer about the code that differ."""
    token_answers: list[Answer] = field(default_factory=list)
    """What the token endpoint answers, one after the other; the last one again and again."""
    discovery: dict[str, Any] = field(default_factory=dict)
    """Fields of the discovery document that differ."""
    plan_errors: list[dict[str, str]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    """The forms that the issuer was sent."""
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    too_many: int = 0
    """So many of the next requests are too many."""

    def tokens(self, access: str, refresh: str | None = None, expires_in: int = 300) -> Answer:
        """The answer with tokens, the access token of which the API believes."""
        self.believed[access] = ("oidc:ada", ["operator"])
        body = {"access_token": access, "token_type": "Bearer", "expires_in": expires_in}
        return 200, body | ({} if refresh is None else {"refresh_token": refresh})


def _problem(status: int, title: str, detail: str, **headers: str) -> Response:
    body = {"title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()}, PROBLEM_MEDIA_TYPE)


def _app(state: FakeSignIn) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def sign_in_first(request: Request, answered: Callable[[Request], Awaitable[Response]]) -> Response:
        if state.too_many and request.url.path.startswith("/v1/"):
            state.too_many -= 1
            return _problem(429, "Too many requests", "more requests than 60 in a minute", Retry_After="7")
        open_to_all = not request.url.path.startswith("/v1/") or request.url.path == "/v1/sign-in"
        if open_to_all or state.is_open:
            return await answered(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in state.believed:
            challenge = 'Bearer error="invalid_token"' if token else "Bearer"
            return _problem(401, "Not signed in", f"no such token {token}".strip(), WWW_Authenticate=challenge)
        if request.url.path.startswith("/v1/keys") and "admin" not in state.believed[token][1]:
            challenge = 'Bearer error="insufficient_scope", scope="admin"'
            return _problem(403, "Not allowed", "you may not do this", WWW_Authenticate=challenge)
        return await answered(request)

    @app.get("/v1/sign-in")
    async def sign_in() -> dict[str, Any]:
        issuer = state.url if state.issuer == "" else state.issuer
        return {
            "open": state.is_open,
            "issuer": issuer,
            "client_id": CLIENT_ID if issuer else None,
            "device_authorization": state.device_authorization,
        }

    @app.get("/v1/me")
    async def me(request: Request) -> dict[str, Any]:
        if state.is_open:
            return {"actor": None, "roles": ["admin"], "sign_in": False}
        actor, roles = state.believed[request.headers["authorization"].removeprefix("Bearer ")]
        return {"actor": actor, "roles": roles, "sign_in": True}

    @app.post("/v1/keys", status_code=201)
    async def create_key(asked: dict[str, Any]) -> dict[str, Any]:
        made = {"id": KEY_ID, "name": asked["name"], "roles": asked["roles"], "made_at": "2026-10-01T08:00:00Z"}
        made |= {"made_by": "key:root", "expires_at": "2027-01-01T00:00:00Z", "last_used": None}
        state.keys[KEY_ID] = made | {"days": asked["days"]}
        return made | {"key": KEY}

    @app.get("/v1/keys")
    async def keys() -> dict[str, Any]:
        return {"keys": list(state.keys.values())}

    @app.delete("/v1/keys/{key_id}")
    async def delete_key(key_id: str) -> Response:
        if state.keys.pop(key_id, None) is None:
            return _problem(404, "Not found", f"there is no key {key_id}")
        return Response(status_code=204)

    @app.post("/v1/plans:check")
    async def check(fields: dict[str, Any]) -> dict[str, Any]:
        cost = {
            "steps": 2400,
            "multiplications": 3_400_000_000_000,
            "bytes_up": 10**9,
            "bytes_down": 2 * 10**9,
            "parameters": 5_600_000,
        }
        valid = not state.plan_errors
        plan = Plan.model_validate(fields).model_dump(mode="json") if valid else None
        return {"valid": valid, "errors": state.plan_errors, "plan": plan, "cost": cost if valid else None}

    @app.get("/.well-known/openid-configuration")
    async def discovery() -> dict[str, Any]:
        document = {
            "issuer": state.url,
            "token_endpoint": f"{state.url}/token",
            "device_authorization_endpoint": f"{state.url}/device",
            "scopes_supported": ["openid", "offline_access"],
        }
        return document | state.discovery

    @app.post("/device")
    async def device(request: Request) -> dict[str, Any]:
        state.forms.append(dict(_form(await request.body())))
        code = {
            "device_code": DEVICE_SECRET,
            "user_code": CODE,
            "verification_uri": f"{state.url}/confirm",
            "expires_in": 600,
        }
        return code | {"interval": 1} | state.code

    @app.post("/token")
    async def token(request: Request) -> Response:
        state.forms.append(dict(_form(await request.body())))
        status, body = state.token_answers[0] if len(state.token_answers) == 1 else state.token_answers.pop(0)
        return JSONResponse(body, status)

    return app


def _form(body: bytes) -> Iterator[tuple[str, str]]:
    yield from parse_qsl(body.decode())


@pytest.fixture(scope="session")
def served_sign_in() -> Iterator[FakeSignIn]:
    state = FakeSignIn()
    with served(_app(state)) as state.url:
        yield state
