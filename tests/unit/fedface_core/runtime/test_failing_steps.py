"""Failures are counted after they happened, and never keep the error of the step from being told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.contracts.tasks import round_of, step_of
from fedface_core.domain.commands import (
    Command,
    EnrolClients,
    EvaluateModel,
    FoldShard,
    HandleFact,
    PrepareModel,
    ReduceRound,
    TrainClients,
)
from fedface_core.domain.errors import ArtifactMissingError, StaleVersionError, UnavailableError, UnknownSchemaError
from fedface_core.domain.facts import ModelPrepared, RoundReady, StepFailing
from fedface_core.domain.failures import MOST_IN_A_ROW, PROCESS_ENDED
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import open_round
from fedface_core.domain.run import Run
from fedface_core.ports import Ports
from fedface_core.runtime.failing_steps import command_came_back, count_failure, counting_failures

RUN = "run-0123456789ab"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan.model_validate({"split": {"clients": 2}})
REDUCE = ReduceRound(run_id=RUN, round=1)
CLIENTS = (client_id(3), client_id(5))


@pytest.fixture
def ports() -> Ports:
    """Ports in memory, with a run whose round 1 is open."""
    clock = ManualClock(NOW)
    ledger = MemoryLedger(clock)
    run = Run(id=RUN, plan=PLAN, correlation_id="abc", created_at=NOW)
    ledger.create(run)
    ledger.save(run, "round_opened", opened=open_round(PLAN, RUN, 1, (client_id(0), client_id(1)), "0" * 64, NOW))
    return Ports(ledger, MemoryArtifacts(clock), RecordingPublisher(), clock)


def fail(ports: Ports, error: Exception, given_up: list[str], command: Command = REDUCE) -> None:
    with pytest.raises(type(error)), counting_failures(ports, command, given_up.append):
        raise error


def come_back(ports: Ports, given_up: list[str], error: BaseException | None = None) -> bool:
    with command_came_back(ports, REDUCE, given_up.append) as too_often:
        if error:
            raise error
    return too_often


@pytest.mark.parametrize(
    ("command", "step", "number"),
    [
        (PrepareModel(run_id=RUN), "aggregator.prepare_model", None),
        (FoldShard(run_id=RUN, round=4, shard=3), "aggregator.fold_shard of shard 3", 4),
        (ReduceRound(run_id=RUN, round=0), "aggregator.reduce_round", 0),
        (EvaluateModel(run_id=RUN, round=4), "evaluator.evaluate_model", 4),
        (EnrolClients(run_id=RUN, clients=CLIENTS), "client.enrol of client-000003 and others", 0),
        (TrainClients(run_id=RUN, round=2, clients=CLIENTS), "client.train of client-000003 and others", 2),
        (
            HandleFact(run_id=RUN, fact=RoundReady(run_id=RUN, round=4, because="settled")),
            "control.handle_fact of round_ready",
            4,
        ),
        (
            HandleFact(run_id=RUN, fact=ModelPrepared(run_id=RUN, model_sha256="0" * 64)),
            "control.handle_fact of model_prepared",
            None,
        ),
    ],
)
def test_a_command_is_a_step_of_its_round(command: Command, step: str, number: int | None) -> None:
    assert (step_of(command), round_of(command)) == (step, number)


def test_nothing_is_asked_of_the_ledger_while_nothing_fails() -> None:
    nothing: Any = None
    with counting_failures(nothing, REDUCE, lambda _: None):
        pass


def test_after_as_many_errors_of_one_kind_as_are_allowed_a_step_is_given_up(ports: Ports) -> None:
    given_up: list[str] = []
    for count in range(MOST_IN_A_ROW):
        assert given_up == []
        fail(ports, OSError(f"disk {count} is full"), given_up)
    assert given_up == ["aggregator.reduce_round failed 5 times, in the end with OSError: disk 4 is full"]
    fail(ports, OSError("disk 9 is full"), given_up)
    assert len(given_up) == 2, "the report may have been lost"


def test_the_plan_may_allow_more_attempts(ports: Ports) -> None:
    run = ports.ledger.load(RUN)
    changed = run.plan.model_copy(update={"cohort": run.plan.cohort.model_copy(update={"attempts": 7})})
    ports.ledger.save(run.model_copy(update={"plan": changed}), "changed")
    given_up: list[str] = []
    for _ in range(6):
        fail(ports, KeyError(1), given_up)
    assert given_up == []
    fail(ports, KeyError(1), given_up)
    assert len(given_up) == 1


@pytest.mark.parametrize(
    "error", [UnavailableError("S3 is away"), StaleVersionError("faster"), UnknownSchemaError("of version 9")]
)
def test_an_error_that_waiting_cures_is_not_counted(ports: Ports, error: Exception) -> None:
    for _ in range(2 * MOST_IN_A_ROW):
        fail(ports, error, [])
    assert ports.ledger.failures(RUN, 1) == []


def test_a_lost_artifact_is_counted(ports: Ports) -> None:
    fail(ports, ArtifactMissingError("there is no artifact models/0"), [])
    (failure,) = ports.ledger.failures(RUN, 1)
    assert failure.reason == "ArtifactMissingError: there is no artifact models/0"


def test_the_first_failure_of_a_kind_is_noted_for_the_audit_trail(ports: Ports) -> None:
    for error in (KeyError(1), KeyError(2), OSError("full")):
        fail(ports, error, [])
    assert isinstance(ports.publisher, RecordingPublisher)
    step = "aggregator.reduce_round"
    notes = [StepFailing(run_id=RUN, step=step, round=1, reason=reason) for reason in ("KeyError: 1", "OSError: full")]
    assert ports.publisher.published == [(HandleFact(run_id=RUN, fact=noted), "abc") for noted in notes]


@pytest.mark.parametrize("broken", [UnavailableError("Redis is away"), RuntimeError("no such script")])
def test_an_error_that_cannot_be_counted_is_raised_all_the_same(
    ports: Ports, monkeypatch: pytest.MonkeyPatch, broken: Exception
) -> None:
    def fails(*_: object) -> None:
        raise broken

    monkeypatch.setattr(ports.ledger, "record_failure", fails)
    with structlog.testing.capture_logs() as logs:
        fail(ports, KeyError(1), [])
    assert [entry["event"] for entry in logs] == ["failure_not_counted"]


def test_an_error_about_a_run_that_is_gone_is_not_counted(ports: Ports) -> None:
    ports.ledger.delete(RUN)
    fail(ports, KeyError(1), [])
    assert not come_back(ports, [])


def test_a_command_that_comes_back_too_often_is_given_up_before_it_is_tried(ports: Ports) -> None:
    given_up: list[str] = []
    for _ in range(MOST_IN_A_ROW - 1):
        with pytest.raises(SystemExit):  # it dies again, so that nothing is forgotten
            come_back(ports, given_up, SystemExit())
    assert come_back(ports, given_up)
    assert given_up == [f"aggregator.reduce_round failed 5 times, in the end with {PROCESS_ENDED}"]
    assert len(ports.ledger.failures(RUN, 1)) == 1


def test_a_command_that_came_back_and_succeeds_is_forgotten(ports: Ports) -> None:
    for _ in range(2 * MOST_IN_A_ROW):
        assert not come_back(ports, [])
        assert ports.ledger.failures(RUN, 1) == []


def test_a_ledger_that_is_away_lets_no_command_through_uncounted(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise UnavailableError("Redis is away")

    monkeypatch.setattr(ports.ledger, "record_failure", away)
    with pytest.raises(UnavailableError):
        come_back(ports, [])


def test_a_step_that_is_tried_more_often_has_as_many_more_chances(ports: Ports) -> None:
    answers = [count_failure(ports, RUN, None, "control.sweep", "KeyError", times=2) for _ in range(2 * MOST_IN_A_ROW)]
    assert answers == [None] * 9 + ["control.sweep failed 10 times, in the end with KeyError"]
