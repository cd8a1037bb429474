"""A round whose record nobody can read costs its own run, and nothing else: the other runs are listed, measured and cleaned,
and the run itself can be cancelled and deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_control.failing import fail_run
from fedface_control.operate.run import create_run
from fedface_control.sweep import sweep
from fedface_core.adapters.memory import ManualClock
from fedface_core.adapters.redis.keys import round_keys
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.contracts import object_keys
from fedface_core.domain.run import RunPhase
from support.in_process import REPEAT_AFTER, InProcess
from support.tiny_run import tiny_plan, write_faces


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture
def services(faces: Path, ledger_url: str) -> InProcess:
    clock = ManualClock()
    return InProcess(tiny_plan(faces), clock=clock, ledger=RedisLedger(ledger_url, clock=clock))


@pytest.fixture
def poisoned(services: InProcess, ledger_url: str) -> str:
    """A run in round 1 whose round 0 and round 1 have a null where a number must be, as an earlier version wrote NaN."""
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    with redis.Redis.from_url(ledger_url, decode_responses=True) as client:
        for number in (0, 1):
            key = round_keys(run_id, number).round
            record = client.hget(key, "record")
            assert isinstance(record, str)
            broken = json.loads(record) | {"quorum": None}
            client.hset(key, "record", json.dumps(broken))
    return run_id


@pytest.fixture
def api(services: InProcess) -> Iterator[TestClient]:
    with TestClient(create_app(services.ports, CollectorRegistry()), raise_server_exceptions=False) as client:
        yield client


def test_everybody_still_sees_the_runs(api: TestClient, services: InProcess, poisoned: str) -> None:
    other = create_run(services.ports, services.plan)
    listed = {run["id"]: run for run in api.get("/runs").raise_for_status().json()["runs"]}
    assert listed.keys() == {poisoned, other.id}
    assert "quorum" in listed[poisoned]["unreadable_round"]
    assert listed[other.id]["unreadable_round"] is None
    shown = api.get(f"/runs/{poisoned}").raise_for_status().json()
    assert shown["phase"] == "running"
    assert "cancel" in shown["allowed"]
    rounds = api.get(f"/runs/{poisoned}/rounds").raise_for_status().json()
    assert rounds["rounds"] == []
    assert rounds["unreadable"].keys() == {"0", "1"}
    metrics = api.get("/metrics").raise_for_status().text
    assert f'fedface_run_rounds_planned{{run="{poisoned}"}}' in metrics
    assert f'fedface_run_rounds_planned{{run="{other.id}"}}' in metrics
    assert api.get("/garbage").raise_for_status().json()["keys"] == []
    api.post("/restore").raise_for_status()


def test_the_run_can_be_cancelled_and_deleted(api: TestClient, services: InProcess, poisoned: str) -> None:
    cancelled = api.post(f"/runs/{poisoned}/cancel").raise_for_status().json()
    assert cancelled["phase"] == "cancelled"
    assert api.delete(f"/runs/{poisoned}?confirm={poisoned}").raise_for_status().json()["phase"] == "deleting"
    sweep(services.ports, REPEAT_AFTER)
    assert api.get("/runs").raise_for_status().json()["runs"] == []
    artifacts = services.ports.artifacts
    assert artifacts.keys(object_keys.run_folder(poisoned)) == []
    services.clock.advance(timedelta(days=8).total_seconds())
    api.delete("/garbage").raise_for_status()
    assert artifacts.keys(object_keys.MODELS) == [], "what only an unreadable round has named is garbage"


def test_the_run_fails_once_its_sweep_has_failed_often(services: InProcess, poisoned: str) -> None:
    """A run that nobody cancels is not swept for ever."""
    services.publisher.published.clear()
    for _ in range(100):
        services.sweep_after(REPEAT_AFTER.total_seconds() + 1)
        run = services.ports.ledger.load(poisoned)
        if run.phase is RunPhase.FAILED:
            break
    assert run.failure is not None
    assert "DamagedObjectError: this is no RoundState: quorum" in run.failure
    fail_run(services.ports, poisoned, "again")  # it changes nothing
    assert services.ports.ledger.load(poisoned) == run
