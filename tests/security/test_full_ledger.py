"""Many large plans fill a real Valkey: no more runs are created, and those that are there are cancelled and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from fedface_control.operate.run import cancel_run, create_run, delete_run
from fedface_core.adapters.memory import MemoryArtifacts, RecordingPublisher
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.system_clock import LedgerClock
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.ports import Ports

# A trace of 5,000 entries takes half a megabyte.
TRACE = [{"client": client_id(index), "seconds": 1} for index in range(5000)]
LARGE = Plan.model_validate({"split": {"clients": len(TRACE)}, "devices": {"trace": TRACE}})


@pytest.fixture
def server(ledger_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(ledger_url) as client:
        yield client
        client.config_set("maxmemory", 0)


def ports_of(ledger: RedisLedger) -> Ports:
    return Ports(ledger, MemoryArtifacts(), RecordingPublisher(), LedgerClock(ledger))


def create_many(ports: Ports) -> None:
    for _ in range(20):
        create_run(ports, LARGE)


def test_no_run_is_created_in_a_ledger_that_is_nearly_full_and_nothing_of_it_stays(server: Any, ledger_url: str) -> None:
    # Five megabytes below what counts as full, and far below what the server itself refuses, whatever it holds already.
    used = server.info("memory")["used_memory"]
    most = used + 60_000_000
    server.config_set("maxmemory", most)
    ports = ports_of(RedisLedger(ledger_url, full_at=(used + 5_000_000) / most))
    with pytest.raises(UnavailableError, match=r"too full for a new run.*FEDFACE_LEDGER_FULL_AT"):
        create_many(ports)
    kept = ports.ledger.runs()
    assert len(kept) < 20
    assert server.zcard("fedface:runs") == server.zcard("fedface:active") == len(kept)
    assert len(ports.artifacts.keys("runs/")) == len(kept)


def test_a_full_ledger_is_not_ready_and_cancels_and_deletes_nevertheless(server: Any, ledger_url: str) -> None:
    ports = ports_of(RedisLedger(ledger_url, full_at=1))
    runs = [create_run(ports, LARGE) for _ in range(3)]
    server.config_set("maxmemory", 1)  # not a byte below what is used: that goes down as buffers are given back
    with pytest.raises(UnavailableError):
        ports.ledger.ping()
    with pytest.raises(UnavailableError):
        create_run(ports, LARGE)
    assert server.zcard("fedface:runs") == len(runs)
    for run in runs:
        cancel_run(ports, run.id)
        delete_run(ports, run.id, run.id)
        assert run.id not in {left.id for left in ports.ledger.runs()}  # no sweep comes: its message is refused
    assert sorted(server.keys("fedface:*")) == [b"fedface:deleted", b"fedface:leftovers"]
    server.config_set("maxmemory", 0)
    ports.ledger.ping()


def test_a_ledger_that_takes_small_writes_only_is_not_ready(server: Any, ledger_url: str) -> None:
    server.config_set("maxmemory", int(server.info("memory")["used_memory"]) + 100_000)
    server.set("small", "write")
    with pytest.raises(UnavailableError, match="takes no large record any more"):
        RedisLedger(ledger_url).ping()
