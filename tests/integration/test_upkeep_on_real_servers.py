"""Deletion, garbage collection and restoring on a real Valkey and a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis

from fedface_control.operate.run import delete_run
from fedface_control.sweep import sweep
from fedface_core.adapters.memory import RecordingPublisher
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.contracts import object_keys
from fedface_core.ports import Ports
from loadtest.bench.ended_runs import run_id
from loadtest.bench.storage_figures import RUNS_TO_A_STRAY, collect_all_garbage, measure_storage
from support.claimed_models import models_of_nobody, unclaimed
from support.in_process import REPEAT_AFTER
from support.servers import S3Server

RUNS = RUNS_TO_A_STRAY + 5


@pytest.fixture
def ledger_url(valkey_url: str) -> str:
    """An empty database that no other test uses."""
    url = urlsplit(valkey_url)._replace(path="/6").geturl()
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def ports(ledger_url: str, s3_server: S3Server) -> Iterator[Ports]:
    store = s3_server.artifacts()
    store.delete_all(store.keys(""))
    yield Ports(RedisLedger(ledger_url), store, RecordingPublisher(), SystemClock())
    store.delete_all(store.keys(""))


def test_runs_are_deleted_collected_and_restored(ports: Ports, ledger_url: str) -> None:
    def lose_ledger() -> None:
        with redis.Redis.from_url(ledger_url) as client:
            client.flushdb()

    measure_storage(ports, RUNS, lose_ledger)
    assert {run.id for run in ports.ledger.runs()} == {run_id(index) for index in range(1, RUNS)}
    assert ports.artifacts.keys(object_keys.run_folder(run_id(0))) == []
    assert unclaimed(ports) == set()
    assert models_of_nobody(ports) == set()
    assert collect_all_garbage(ports, dry_run=True) == 0, "all strays were collected"
    for index in range(1, RUNS):
        delete_run(ports, run_id(index), run_id(index))
    sweep(ports, REPEAT_AFTER)
    assert ports.ledger.runs() == []
    assert ports.artifacts.keys("") == [object_keys.EARLIER_RUNS], "the last run's deletion removed the shared model"
