"""What every `RunLedger` promises of the failures of steps: how they are counted, and when they are forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from fedface_core.adapters.memory import ManualClock
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.failures import MOST_FAILING_CLIENTS, StepFailure, client_step, shard_step
from fedface_core.domain.ids import client_id, new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.reasons import LONGEST_STORED_REASON
from fedface_core.domain.round import RoundPhase, open_round
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import RunLedger

T0 = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
PLAN = Plan.model_validate({"split": {"clients": 4}, "cohort": {"shard_size": 2, "deadline_seconds": 60}})
COHORT = tuple(client_id(index) for index in range(4))
REDUCE = "aggregator.reduce_round"


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@pytest.fixture
def run(ledger: RunLedger) -> Run:
    """A run whose round 1 is open."""
    run = Run(id=new_run_id(), plan=PLAN, correlation_id="abc", created_at=T0)
    ledger.create(run)
    return ledger.save(run, "round_opened", opened=open_round(PLAN, run.id, 1, COHORT, "0" * 64, T0))


def test_failures_in_a_row_are_of_one_kind_and_all_are_in_the_total(
    ledger: RunLedger, ledger_clock: ManualClock, run: Run
) -> None:
    def record(step: str, reason: str, when: datetime) -> StepFailure:
        ledger_clock.set_to(when)
        return ledger.record_failure(run.id, 1, step, reason)

    assert record(REDUCE, "OSError: 1 is full", at(1)) == StepFailure(
        step=REDUCE, reason="OSError: 1 is full", in_a_row=1, total=1, since=at(1), at=at(1)
    )
    again = StepFailure(step=REDUCE, reason="OSError: 2 is full", in_a_row=2, total=2, since=at(1), at=at(2))
    assert record(REDUCE, "OSError: 2 is full", at(2)) == again
    assert [*ledger.failures(run.id, 1)] == [again]
    other = StepFailure(step=REDUCE, reason="KeyError: 3", in_a_row=1, total=3, since=at(3), at=at(3))
    assert record(REDUCE, "KeyError: 3", at(3)) == other
    assert record(REDUCE, "OSError: 2 is full", at(4)).in_a_row == 1
    assert record("evaluator.evaluate_model", "OSError: 2 is full", at(5)).total == 1


def test_failures_of_the_run_and_of_a_round_are_apart_and_read_together_newest_first(
    ledger: RunLedger, ledger_clock: ManualClock, run: Run
) -> None:
    ledger_clock.set_to(at(1))
    ledger.record_failure(run.id, None, "control.sweep", "KeyError")
    ledger_clock.set_to(at(2))
    ledger.record_failure(run.id, 1, REDUCE, "KeyError")
    ledger.record_failure(run.id, 1, shard_step(0), "KeyError")
    assert [failure.step for failure in ledger.failures(run.id)] == ["control.sweep"]
    assert [failure.step for failure in ledger.failures(run.id, 1)] == [shard_step(0), REDUCE, "control.sweep"]
    assert [failure.step for failure in ledger.failures(run.id, 7)] == ["control.sweep"]


def test_a_reason_may_have_any_characters_but_ends_of_lines(ledger: RunLedger, run: Run) -> None:
    reason = "%d %s ^[x]$ - „é…\u2028\x85 :{run}"
    for count in (1, 2):
        assert ledger.record_failure(run.id, 1, REDUCE, reason).in_a_row == count
    assert [failure.reason for failure in ledger.failures(run.id, 1)] == [reason]


def test_only_the_beginning_of_a_long_reason_counts(ledger: RunLedger, run: Run) -> None:
    beginning = "é" * LONGEST_STORED_REASON
    for count, end in enumerate(("x", "another end"), start=1):
        failure = ledger.record_failure(run.id, 1, REDUCE, beginning + end)
        assert (failure.reason, failure.in_a_row) == (beginning, count)
    assert [failure.reason for failure in ledger.failures(run.id, 1)] == [beginning]


def test_a_step_that_has_succeeded_is_forgotten(ledger: RunLedger, run: Run) -> None:
    for number in (None, 1):
        ledger.record_failure(run.id, number, REDUCE, "KeyError")
        ledger.record_failure(run.id, number, "another", "KeyError")
        ledger.forget_failures(run.id, number, REDUCE)
    assert [failure.step for failure in ledger.failures(run.id, 1)] == ["another", "another"]
    assert ledger.record_failure(run.id, 1, REDUCE, "KeyError").total == 1
    ledger.forget_failures(run.id, 7, REDUCE)
    ledger.forget_failures("run-00000000dead", None, REDUCE)


def test_a_settled_client_and_a_folded_shard_are_forgotten(ledger: RunLedger, run: Run) -> None:
    for step in (*map(client_step, COHORT[:3]), shard_step(0), shard_step(1)):
        ledger.record_failure(run.id, 1, step, "KeyError")
    ledger.accept(run.id, 1, COHORT[0], AcceptedUpdate(sha256="1" * 64, size=1, images=1))
    ledger.fail(run.id, 1, COHORT[1], "gave up")
    ledger.record_partial(run.id, 1, 0)
    assert [failure.step for failure in ledger.failures(run.id, 1)] == [shard_step(1), client_step(COHORT[2])]


def test_a_refused_client_is_not_forgotten(ledger: RunLedger, ledger_clock: ManualClock, run: Run) -> None:
    ledger.record_failure(run.id, 1, client_step(COHORT[0]), "KeyError")
    ledger_clock.set_to(at(61))
    assert ledger.fail(run.id, 1, COHORT[0], "gave up").refused
    assert len(ledger.failures(run.id, 1)) == 1


def test_a_new_phase_begins_without_failures(ledger: RunLedger, run: Run) -> None:
    ledger.record_failure(run.id, None, "control.sweep", "KeyError")
    ledger.record_failure(run.id, 1, REDUCE, "KeyError")
    current = ledger.load_round(run.id, 1)
    run = ledger.save(run.replace(updates_kept_from=1), "old_updates_removed", changed=current.skipping_evaluation())
    assert len(ledger.failures(run.id, 1)) == 2, "both are in the phase that they were in"
    run = ledger.save(run, "round_closed", changed=current.replace(phase=RoundPhase.AGGREGATING))
    assert [failure.step for failure in ledger.failures(run.id, 1)] == ["control.sweep"]
    ledger.record_failure(run.id, 1, REDUCE, "KeyError")
    ledger.save(run.model_copy(update={"phase": RunPhase.RUNNING}), "started")
    assert [failure.step for failure in ledger.failures(run.id, 1)] == [REDUCE]


def test_a_deleted_run_has_no_failures(ledger: RunLedger, run: Run) -> None:
    ledger.record_failure(run.id, None, "control.sweep", "KeyError")
    ledger.record_failure(run.id, 1, REDUCE, "KeyError")
    ledger.delete(run.id)
    assert [*ledger.failures(run.id, 1)] == []


def test_the_failures_of_a_bounded_number_of_clients_are_kept(ledger: RunLedger, run: Run) -> None:
    steps = [client_step(client_id(index)) for index in range(MOST_FAILING_CLIENTS + 1)]
    for step in steps:
        assert ledger.record_failure(run.id, 1, step, "KeyError").total == 1
    assert len(ledger.failures(run.id, 1)) == MOST_FAILING_CLIENTS
    assert ledger.record_failure(run.id, 1, steps[0], "KeyError").total == 2
    assert ledger.record_failure(run.id, 1, steps[-1], "KeyError").total == 1, "there is no room for it"
    for total in (1, 2):
        assert ledger.record_failure(run.id, 1, REDUCE, "KeyError").total == total, "the others are always kept"


def test_a_failure_needs_its_run_and_its_round(ledger: RunLedger, run: Run) -> None:
    with pytest.raises(NotFoundError, match=f"{run.id} has no round 2"):
        ledger.record_failure(run.id, 2, REDUCE, "KeyError")
    for number in (None, 1):
        with pytest.raises(NotFoundError, match="there is no run run-00000000dead"):
            ledger.record_failure("run-00000000dead", number, REDUCE, "KeyError")
    assert [*ledger.failures("run-00000000dead", 1)] == []


def test_an_attempt_is_taken_back_once_for_each_call_and_never_below_none(ledger: RunLedger, run: Run) -> None:
    def begin() -> int:
        return ledger.begin_attempt(run.id, 1, COHORT[0])

    ledger.take_back_attempt(run.id, 1, COHORT[0])
    assert (begin(), begin()) == (1, 2)
    ledger.take_back_attempt(run.id, 1, COHORT[0])
    assert begin() == 2
    for _ in range(5):
        ledger.take_back_attempt(run.id, 1, COHORT[0])
    assert begin() == 1
    with pytest.raises(NotFoundError, match=f"{run.id} has no round 2"):
        ledger.take_back_attempt(run.id, 2, COHORT[0])


def test_each_of_many_failures_at_once_is_counted(ledger: RunLedger, run: Run) -> None:
    def fail(_: int) -> int:
        return ledger.record_failure(run.id, 1, REDUCE, "KeyError").in_a_row

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(fail, range(40))) == list(range(1, 41))
