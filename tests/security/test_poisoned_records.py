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
import structlog
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_control.failing import fail_run
from fedface_control.operate.run import create_run
from fedface_control.sweep import sweep
from fedface_core.adapters.memory import ManualClock
from fedface_core.adapters.redis.keys import round_keys, run_keys
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.contracts import object_keys
from fedface_core.domain.run import RunPhase
from support.in_process import REPEAT_AFTER, InProcess
from support.open_sign_in import open_sign_in
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
    with TestClient(
        create_app(services.ports, CollectorRegistry(), open_sign_in()), raise_server_exceptions=False
    ) as client:
        yield client


def test_everybody_still_sees_the_runs(api: TestClient, services: InProcess, poisoned: str) -> None:
    other = create_run(services.ports, services.plan)
    listed = {run["id"]: run for run in api.get("/v1/runs").raise_for_status().json()["runs"]}
    assert listed.keys() == {poisoned, other.id}
    assert "quorum" in listed[poisoned]["unreadable_round"]
    assert listed[other.id]["unreadable_round"] is None
    shown = api.get(f"/v1/runs/{poisoned}").raise_for_status().json()
    assert shown["phase"] == "running"
    assert "cancel" in shown["allowed"]
    rounds = api.get(f"/v1/runs/{poisoned}/rounds").raise_for_status().json()
    assert rounds["rounds"] == []
    assert rounds["unreadable"].keys() == {"0", "1"}
    metrics = api.get("/metrics").raise_for_status().text
    assert f'fedface_run_rounds_planned{{run="{poisoned}"}}' in metrics
    assert f'fedface_run_rounds_planned{{run="{other.id}"}}' in metrics
    assert api.get("/v1/garbage").raise_for_status().json()["keys"] == []
    api.post("/v1/restore").raise_for_status()


def test_the_run_can_be_cancelled_and_deleted(api: TestClient, services: InProcess, poisoned: str) -> None:
    cancelled = api.post(f"/v1/runs/{poisoned}/cancel").raise_for_status().json()
    assert cancelled["phase"] == "cancelled"
    assert api.delete(f"/v1/runs/{poisoned}?confirm={poisoned}").raise_for_status().json()["phase"] == "deleting"
    sweep(services.ports, REPEAT_AFTER)
    assert api.get("/v1/runs").raise_for_status().json()["runs"] == []
    artifacts = services.ports.artifacts
    assert artifacts.keys(object_keys.run_folder(poisoned)) == []
    services.clock.advance(timedelta(days=8).total_seconds())
    api.delete("/v1/garbage").raise_for_status()
    assert artifacts.keys(object_keys.MODELS) == [], "what only an unreadable round has named is garbage"


@pytest.fixture(params=["no number", "another version", "no JSON"])
def unreadable(request: pytest.FixtureRequest, services: InProcess, ledger_url: str) -> str:
    """A run in round 1 whose own record cannot be read."""
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    with redis.Redis.from_url(ledger_url, decode_responses=True) as client:
        key = run_keys(run_id).run
        record = json.loads(client.hget(key, "record") or "")
        wrong = {
            "no number": json.dumps(record | {"finished_rounds": None}),
            "another version": json.dumps(record | {"schema_version": 99}),
            "no JSON": "half a rec",
        }
        client.hset(key, "record", wrong[request.param])
    return run_id


def test_a_run_that_cannot_be_read_is_listed_and_deleted(api: TestClient, services: InProcess, unreadable: str) -> None:
    services.clock.advance(1)
    other = create_run(services.ports, services.plan)
    listed = api.get("/v1/runs").raise_for_status().json()
    assert [run["id"] for run in listed["runs"]] == [other.id]
    assert listed["unreadable"].keys() == {unreadable}
    assert "Run" in listed["unreadable"][unreadable]
    older = api.get("/v1/runs", params={"before": other.id}).raise_for_status().json()
    assert (older["runs"], older["unreadable"].keys()) == ([], {unreadable})
    api.get("/metrics").raise_for_status()
    assert api.get(f"/v1/runs/{unreadable}").json()["title"] in ("Damaged object", "Unknown schema version")
    assert api.delete(f"/v1/runs/{unreadable}").status_code == 422, "it is to be confirmed"
    assert api.delete(f"/v1/runs/{unreadable}?confirm={unreadable}").status_code == 204
    assert api.delete(f"/v1/runs/{unreadable}?confirm={unreadable}").status_code == 404
    assert api.get("/v1/runs").raise_for_status().json()["unreadable"] == {}
    artifacts = services.ports.artifacts
    assert artifacts.keys(object_keys.run_folder(unreadable)) == []
    services.clock.advance(timedelta(days=8).total_seconds())
    api.delete("/v1/garbage").raise_for_status()
    assert artifacts.keys(object_keys.MODELS) == [], "what only the unreadable run has named is garbage"
    assert services.ports.ledger.load(other.id) == other


def test_the_run_fails_once_its_sweep_has_failed_often(services: InProcess, poisoned: str) -> None:
    """A run that nobody cancels is not swept for ever."""
    services.publisher.published.clear()
    with structlog.testing.capture_logs() as logs:  # to print the traceback of each sweep takes most of a second
        for _ in range(100):
            services.sweep_after(REPEAT_AFTER.total_seconds() + 1)
            run = services.ports.ledger.load(poisoned)
            if run.phase is RunPhase.FAILED:
                break
    assert "sweep_failed" in {record["event"] for record in logs}
    assert run.failure is not None
    assert "DamagedObjectError: this is no RoundState: quorum" in run.failure
    fail_run(services.ports, poisoned, "again")  # it changes nothing
    assert services.ports.ledger.load(poisoned) == run
