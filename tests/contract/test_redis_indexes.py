"""The two indexes of runs in Redis name no run that is not stored: none of an earlier version, none just deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from redis.client import Pipeline

from fedface_core.adapters.redis import keys
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run, RunPhase

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run(id="run-0123456789ab", plan=Plan(), correlation_id="abc", created_at=NOW)
PHANTOM = "run-00000000dead"


@pytest.fixture
def server(ledger_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(ledger_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def ledger(ledger_url: str) -> RedisLedger:
    ledger = RedisLedger(ledger_url)
    ledger.create(RUN)
    return ledger


def indexed(server: redis.Redis) -> tuple[object, object]:
    """The runs that each index names."""
    return server.zrange(keys.RUNS, 0, -1), server.zrange(keys.ACTIVE, 0, -1)


def test_a_run_that_an_earlier_version_named_and_never_stored_counts_no_more(
    server: redis.Redis, ledger: RedisLedger
) -> None:
    for index in (keys.RUNS, keys.ACTIVE):
        server.zadd(index, {PHANTOM: 1})
    assert ledger.run_count() == 2, "it takes a place of the quota"
    assert ledger.active_runs() == []
    assert indexed(server) == ([RUN.id], [RUN.id])
    assert ledger.run_count() == 1


def test_an_ended_run_stays_in_the_index_of_all_runs(server: redis.Redis, ledger: RedisLedger) -> None:
    ledger.save(RUN.cancelled(NOW), "run_cancelled")
    assert ledger.active_runs() == []
    assert indexed(server) == ([RUN.id], [])


def test_a_run_that_cannot_be_read_stays(server: redis.Redis, ledger: RedisLedger) -> None:
    server.hset(keys.run_keys(RUN.id).run, "record", "{")
    server.hdel(keys.run_keys(RUN.id).run, "phase")
    assert ledger.active_runs() == []
    assert indexed(server) == ([RUN.id], [RUN.id])


def test_a_run_that_is_deleted_while_it_is_looked_at_does_not_come_back(
    server: redis.Redis, ledger: RedisLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep finds the run ended. Just then an operator begins its deletion, and another sweep is done with it."""
    cancelled = ledger.save(RUN.cancelled(NOW), "run_cancelled")
    steps: dict[RunPhase, Callable[[], object]] = {
        RunPhase.CANCELLED: lambda: ledger.save(cancelled.deleting(), "run_deleting"),
        RunPhase.DELETING: lambda: ledger.delete(RUN.id),
    }
    execute = Pipeline.execute

    def read_then_change(pipeline: Pipeline, raise_on_error: bool = True) -> list[Any]:
        answers = execute(pipeline, raise_on_error)
        for phase in [phase for phase in steps if f'"phase":"{phase}"' in str(answers)]:
            steps.pop(phase)()
        return answers

    monkeypatch.setattr(Pipeline, "execute", read_then_change)
    for _ in range(2):
        ledger.active_runs()
    assert not steps
    assert indexed(server) == ([], [])
