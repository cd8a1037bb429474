"""A compute worker reports a step that it gives up, and says whether a fresh cohort may help."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.contracts.tasks import ROUTES
from fedface_core.domain.commands import (
    Command,
    EvaluateModel,
    FoldShard,
    HandleFact,
    HandOnShares,
    PrepareModel,
    ReduceRound,
)
from fedface_core.domain.facts import StepFailed
from fedface_core.domain.failures import MOST_IN_A_ROW
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import open_round
from fedface_core.domain.run import Run
from fedface_core.ports import Ports
from fedface_worker.failing_steps import counts_failures, step_came_back
from fedface_worker.workbench import Workbench

RUN = "run-0123456789ab"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan.model_validate({"split": {"clients": 1}})


@counts_failures
def broken_step(workbench: Workbench, command: Command, correlation_id: str) -> None:
    """Fail."""
    raise RuntimeError(f"{type(command).__name__} of {correlation_id}")


@pytest.fixture
def publisher() -> RecordingPublisher:
    return RecordingPublisher()


@pytest.fixture
def workbench(publisher: RecordingPublisher) -> Workbench:
    clock = ManualClock(NOW)
    ledger = MemoryLedger(clock)
    run = Run(id=RUN, plan=PLAN, correlation_id="abc", created_at=NOW)
    ledger.create(run)
    ledger.save(run, "round_opened", opened=open_round(PLAN, RUN, 0, (client_id(0),), "0" * 64, NOW))
    return Workbench(Ports(ledger, MemoryArtifacts(clock), publisher, clock))


def reports_of(publisher: RecordingPublisher) -> list[tuple[StepFailed, str]]:
    """The reports of failed steps among what was published, each with its correlation id. Notes are no reports."""
    facts = [(command.fact, name) for command, name in publisher.published if isinstance(command, HandleFact)]
    return [(fact, name) for fact, name in facts if isinstance(fact, StepFailed)]


@pytest.mark.parametrize(
    ("command", "number", "helps"),
    [
        (PrepareModel(run_id=RUN), None, False),
        (HandOnShares(run_id=RUN, round=0, shard=0), 0, True),
        (FoldShard(run_id=RUN, round=0, shard=0), 0, True),
        (ReduceRound(run_id=RUN, round=0), 0, True),
        (EvaluateModel(run_id=RUN, round=0), 0, False),
    ],
)
def test_a_step_that_fails_too_often_is_reported(
    workbench: Workbench, publisher: RecordingPublisher, command: Command, number: int | None, helps: bool
) -> None:
    for _ in range(MOST_IN_A_ROW):
        assert reports_of(publisher) == []
        with pytest.raises(RuntimeError):
            broken_step(workbench, command, "abc")
    ((reported, correlation_id),) = reports_of(publisher)
    assert (reported.round, reported.fresh_cohort_may_help, correlation_id) == (number, helps, "abc")
    assert reported.step == ROUTES[type(command)].task
    assert re.search(r"failed 5 times, in the end with RuntimeError \(code [0-9a-f]{8}\)$", reported.reason)


def test_a_step_keeps_its_name_and_its_description() -> None:
    assert (broken_step.__name__, broken_step.__doc__) == ("broken_step", "Fail.")


def test_a_step_that_came_back_too_often_is_reported(workbench: Workbench, publisher: RecordingPublisher) -> None:
    command = ReduceRound(run_id=RUN, round=0)
    for _ in range(MOST_IN_A_ROW - 1):
        workbench.ports.ledger.record_failure(RUN, 0, "aggregator.reduce_round", "its process ended")
    with step_came_back(workbench.ports, command, "abc") as given_up:
        assert not given_up, "the reason is another one"
    for _ in range(MOST_IN_A_ROW):
        with pytest.raises(SystemExit), step_came_back(workbench.ports, command, "abc"):
            raise SystemExit
    assert len(reports_of(publisher)) == 1
