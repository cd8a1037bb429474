"""What every `RunLedger` promises of how far the receivers of webhooks were told: memory, a real Valkey, a real Redis."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.ids import new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from fedface_core.ports import RunLedger

RECEIVER = "0123456789abcdef"


def create(ledger: RunLedger) -> str:
    run = Run(id=new_run_id(), plan=Plan.model_validate({}), correlation_id="abc", created_at=datetime.now(UTC))
    ledger.create(run)
    return run.id


def names(ledger: RunLedger, run_id: str, receiver: str = RECEIVER, limit: int = 100) -> list[str]:
    return [event.name for event in ledger.undelivered_events(receiver, run_id, limit)]


@pytest.fixture
def run_id(ledger: RunLedger) -> str:
    ledger.undelivered_runs(RECEIVER, [])
    return create(ledger)


def test_a_receiver_is_told_of_what_happens_after_it_was_first_named(ledger: RunLedger, run_id: str) -> None:
    ledger.record_event(run_id, "round_opened", {"round": 1})
    assert ledger.undelivered_runs(RECEIVER, [run_id]) == [run_id]
    assert names(ledger, run_id) == ["run_created", "round_opened"]
    assert names(ledger, run_id, limit=1) == ["run_created"]


def test_what_it_was_told_of_is_not_told_again(ledger: RunLedger, run_id: str) -> None:
    ledger.record_event(run_id, "round_opened", {"round": 1})
    first, second = ledger.undelivered_events(RECEIVER, run_id, 100)
    ledger.mark_delivered(RECEIVER, run_id, first.id)
    assert ledger.undelivered_events(RECEIVER, run_id, 100) == [second]
    ledger.mark_delivered(RECEIVER, run_id, second.id)
    assert ledger.undelivered_runs(RECEIVER, [run_id]) == []
    assert names(ledger, run_id) == []
    ledger.record_event(run_id, "round_closed", {"round": 1})
    assert ledger.undelivered_runs(RECEIVER, [run_id]) == [run_id]
    assert names(ledger, run_id) == ["round_closed"]


def test_each_receiver_has_a_mark_of_its_own(ledger: RunLedger, run_id: str) -> None:
    ledger.undelivered_runs("another", [])
    ledger.record_event(run_id, "round_opened", {"round": 1})
    (newest,) = ledger.undelivered_events(RECEIVER, run_id, 100)[-1:]
    ledger.mark_delivered(RECEIVER, run_id, newest.id)
    assert names(ledger, run_id) == []
    assert "round_opened" in names(ledger, run_id, "another")


def test_a_deleted_run_leaves_no_mark(ledger: RunLedger, run_id: str) -> None:
    (event,) = ledger.undelivered_events(RECEIVER, run_id, 100)
    ledger.delete(run_id)
    ledger.mark_delivered(RECEIVER, run_id, event.id)
    assert ledger.undelivered_runs(RECEIVER, [run_id]) == []
    with pytest.raises(NotFoundError, match=run_id):
        ledger.undelivered_events(RECEIVER, run_id, 100)


def test_a_run_that_has_not_ended_is_followed(ledger: RunLedger, run_id: str) -> None:
    assert run_id in ledger.followed_runs(ended=False)
    assert run_id in ledger.followed_runs(ended=True)
    ledger.delete(run_id)
    assert run_id not in ledger.followed_runs(ended=True)
