"""An API that people have to sign in to, over ports in memory, and callers of each role."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from fastapi.testclient import TestClient
from limits.storage import Storage
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_control.auth.access_tokens import AccessTokens
from fedface_control.auth.browsers import Hosts
from fedface_control.auth.limits import RequestLimits
from fedface_control.auth.principal import Principal
from fedface_control.auth.sign_in import KnownKey, SignIn
from fedface_core.adapters.memory import MemoryApiKeys
from fedface_core.domain.api_key import new_api_key
from fedface_core.domain.role import Role
from fedface_core.ports import ApiKeys, Ports
from support.control_rounds import Control

FIRST_KEY = "0123456789abcdef0123456789abcdef"


def closed_sign_in(
    *,
    keys: ApiKeys | None = None,
    tokens: AccessTokens | None = None,
    requests: int = 1_000_000,
    failures: int = 1_000_000,
    counts: Storage | None = None,
    client_id: str | None = None,
) -> SignIn:
    return SignIn(
        open=False,
        keys=keys or MemoryApiKeys(),
        hosts=Hosts(["testserver"]),
        limits=RequestLimits(requests, failures, counts),
        known=[KnownKey(FIRST_KEY, Principal("key:first", frozenset({Role.ADMIN})))],
        tokens=tokens,
        client_id=client_id,
    )


def key_for(keys: ApiKeys, name: str, roles: Iterable[Role], *, days: int = 1, ago: timedelta = timedelta()) -> str:
    """A new key of this name, as its holder sends it."""
    record, token = new_api_key(name, tuple(roles), now=datetime.now(UTC) - ago, days=days)
    keys.add(record)
    return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def client_of(sign_in: SignIn, ports: Ports | None = None) -> TestClient:
    """A client of the API, which shows errors as uvicorn does. It has not signed in."""
    app = create_app(ports or Control.empty().ports, CollectorRegistry(), sign_in)
    return TestClient(app, raise_server_exceptions=False)
