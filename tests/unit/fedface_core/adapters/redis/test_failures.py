"""What cannot be read among the failures of steps hides no others: every service may write there."""

from __future__ import annotations

import pytest
import redis
import structlog

from fedface_core.adapters.redis import keys
from fedface_core.adapters.redis.failures import readable_failures
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from support.control_rounds import NOW

HONEST = "2 3 1000000 2000000\nKeyError: #\nKeyError: 7"
POISON = {
    "empty": "",
    "one line": "1 1 1 1",
    "no numbers": "a b c d\n\nreason",
    "too few numbers": "1 1\n\nreason",
    "a number of Lua": "1 1e+22 1 1\n\nreason",
    "no such year": f"1 1 1 {10**30}\n\nreason",
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_failures_that_cannot_be_read_are_left_out_and_logged(poison: str) -> None:
    with structlog.testing.capture_logs() as logs:
        (failure,) = readable_failures({"forged": poison, "honest": HONEST})
    assert (failure.step, failure.in_a_row, failure.total, failure.reason) == ("honest", 2, 3, "KeyError: 7")
    assert [(entry["event"], entry["step"]) for entry in logs] == [("failure_unreadable", "forged")]


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_a_failure_is_counted_though_what_was_stored_cannot_be_read(ledger_url: str, poison: str) -> None:
    ledger = RedisLedger(ledger_url)
    run = Run(id="run-0123456789ab", plan=Plan(), correlation_id="abc", created_at=NOW)
    ledger.create(run)
    with redis.Redis.from_url(ledger_url) as server:
        server.hset(keys.run_keys(run.id).failures, "control.sweep", poison)
    assert ledger.record_failure(run.id, None, "control.sweep", "KeyError").in_a_row == 1
    assert len(ledger.failures(run.id)) <= 1
