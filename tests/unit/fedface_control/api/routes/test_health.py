"""Liveness and readiness."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from fedface_core.domain.errors import EvictingLedgerError, UnavailableError
from support.in_process import InProcess


def down(*_: object) -> None:
    raise UnavailableError("the S3 server at minio:9000 does not answer")


def test_the_process_says_that_it_lives(api: TestClient) -> None:
    assert api.get("/healthz").json() == {"status": "ok", "checks": {}}


def test_it_is_ready_while_ledger_and_store_answer(api: TestClient) -> None:
    response = api.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {"ledger": "ok", "artifact_store": "ok"}}


@pytest.mark.parametrize(("dependency", "port"), [("ledger", "ledger"), ("artifact_store", "artifacts")])
def test_it_is_not_ready_while_one_is_down_and_says_why(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch, dependency: str, port: str
) -> None:
    monkeypatch.setattr(getattr(services.ports, port), "ping", down)
    response = api.get("/readyz")
    assert response.status_code == 503
    body = response.json()
    assert body["status"] == "unavailable"
    assert body["checks"][dependency] == "the S3 server at minio:9000 does not answer"
    assert sorted(body["checks"].values())[0] == "ok", "the other one answers"
    assert api.get("/healthz").status_code == 200


def test_it_is_not_ready_while_the_ledger_may_evict_records(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evicting() -> None:
        raise EvictingLedgerError("Redis has the maxmemory-policy allkeys-lru")

    monkeypatch.setattr(services.ports.ledger, "ping", evicting)
    response = api.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"] == {"ledger": "Redis has the maxmemory-policy allkeys-lru", "artifact_store": "ok"}
