"""The time of a ledger in Redis is the server's: whatever the clocks of its callers show, nothing depends on them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.system_clock import LedgerClock, SystemClock
from fedface_core.domain.ids import client_id, new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, open_round
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate, RefusalReason

PLAN = Plan.model_validate({"split": {"clients": 3}, "cohort": {"deadline_seconds": 60}})
COHORT = tuple(client_id(index) for index in range(3))
UPDATE = AcceptedUpdate(sha256="1" * 64, size=1, images=1)


@pytest.fixture(params=["valkey_url", "redis_url"])
def url(request: pytest.FixtureRequest) -> str:
    """Database 9 of a real server, emptied."""
    at = str(request.getfixturevalue(request.param)).removesuffix("/0") + "/9"
    with redis.Redis.from_url(at) as client:
        client.flushdb()
    return at


@pytest.fixture
def server(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as client:
        yield client


@pytest.fixture
def ledger(url: str) -> RedisLedger:
    return RedisLedger(url)


@pytest.fixture(params=[120, -120, 86_400], ids=["two-minutes-ahead", "two-minutes-behind", "a-day-ahead"])
def skew(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> timedelta:
    """The clock of this process is wrong by this much."""
    seconds: int = request.param
    right_time = time.time
    monkeypatch.setattr(time, "time", lambda: right_time() + seconds)
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + timedelta(seconds=seconds))
    return timedelta(seconds=seconds)


def opened_at(ledger: RedisLedger, moment: datetime) -> Round:
    """Round 1 of a new run, opened at this moment."""
    run = Run(id=new_run_id(), plan=PLAN, correlation_id="abc", created_at=moment)
    ledger.create(run)
    opened = open_round(PLAN, run.id, 1, COHORT, "0" * 64, moment)
    ledger.save(run, "round_opened", opened=opened)
    return opened


def time_of(server: redis.Redis) -> datetime:
    seconds, microseconds = server.time()
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)


def test_the_clock_of_the_ledger_is_the_servers(server: redis.Redis, ledger: RedisLedger, skew: timedelta) -> None:
    before = time_of(server)
    assert before <= ledger.now() <= LedgerClock(ledger).now() <= time_of(server)
    assert abs(SystemClock().now() - before - skew) < timedelta(seconds=30), "the clock here is wrong"


@pytest.mark.usefixtures("skew")
def test_a_client_settles_before_the_deadline_by_the_servers_time(server: redis.Redis, ledger: RedisLedger) -> None:
    opened = opened_at(ledger, LedgerClock(ledger).now())
    place = (opened.run_id, 1)

    def last_activity_is_now() -> bool:
        return before <= ledger.tally(*place).last_activity <= time_of(server)

    before = time_of(server)
    assert ledger.begin_attempt(*place, COHORT[0]) == 1
    assert last_activity_is_now()
    before = time_of(server)
    assert ledger.accept(*place, COHORT[0], UPDATE).refused is None
    assert ledger.fail(*place, COHORT[1], "no photographs").refused is None
    assert last_activity_is_now()
    before = time_of(server)
    ledger.touch(*place)
    assert last_activity_is_now()
    before = time_of(server)
    ledger.record_partial(*place, 0)
    assert last_activity_is_now()


@pytest.mark.usefixtures("skew")
def test_the_deadline_has_passed_by_the_servers_time(ledger: RedisLedger) -> None:
    opened = opened_at(ledger, LedgerClock(ledger).now() - timedelta(seconds=60))
    place = (opened.run_id, 1)
    before = ledger.tally(*place).last_activity
    assert ledger.accept(*place, COHORT[0], UPDATE).refused is RefusalReason.LATE
    assert ledger.fail(*place, COHORT[1], "no photographs").refused is RefusalReason.LATE
    assert ledger.tally(*place).last_activity == before
