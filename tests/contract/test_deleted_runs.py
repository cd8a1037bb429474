"""The id of a deleted run is not used again, and what may have come late for it is looked for later (ADR 47)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fedface_core.adapters.memory import ManualClock
from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.ids import new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from fedface_core.ports import DELETED_KEPT, RunLedger


def created(ledger: RunLedger) -> Run:
    run = Run(id=new_run_id(), plan=Plan(), correlation_id="abc", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    ledger.create(run)
    return run


@pytest.fixture
def run(ledger: RunLedger) -> Run:
    return created(ledger)


def test_the_id_of_a_deleted_run_is_not_used_again(ledger: RunLedger, run: Run) -> None:
    """What is still under way for a deleted run would be taken for the other one's."""
    ledger.delete("run-00000000dead")  # there was no such run
    ledger.delete(run.id)
    assert ledger.was_deleted(run.id)
    assert not ledger.was_deleted("run-00000000dead")
    with pytest.raises(WrongPhaseError, match=f"{run.id} was deleted; a new run needs a new id"):
        ledger.create(run)
    with pytest.raises(WrongPhaseError, match=f"{run.id} was deleted: it is not restored"):
        ledger.restore(run, [])
    assert ledger.runs() == []


def test_the_id_of_a_deleted_run_is_forgotten_when_another_is_deleted_a_month_later(
    ledger: RunLedger, ledger_clock: ManualClock, run: Run
) -> None:
    other = created(ledger)
    last = created(ledger)
    ledger.delete(run.id)
    ledger_clock.advance(DELETED_KEPT.total_seconds())
    ledger.delete(other.id)
    assert (ledger.was_deleted(run.id), ledger.was_deleted(other.id)) == (True, True)
    ledger_clock.advance(1)
    ledger.delete(last.id)
    assert (ledger.was_deleted(run.id), ledger.was_deleted(other.id)) == (False, True)


def test_leftovers_are_those_of_runs_that_were_deleted_before_until_they_are_forgotten(
    ledger: RunLedger, ledger_clock: ManualClock, run: Run
) -> None:
    other = created(ledger)
    ledger.delete(run.id)
    deleted_at = ledger_clock.now()
    ledger_clock.advance(10)
    ledger.delete(other.id)
    assert ledger.leftovers(deleted_at) == []
    assert ledger.leftovers(deleted_at + timedelta(microseconds=1)) == [run.id]
    assert ledger.leftovers(ledger_clock.now() + timedelta(days=1)) == [run.id, other.id]
    for _ in range(2):
        ledger.forget_leftovers(run.id)
    assert ledger.leftovers(ledger_clock.now() + timedelta(days=1)) == [other.id]
    assert ledger.was_deleted(run.id)
