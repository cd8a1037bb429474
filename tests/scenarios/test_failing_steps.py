"""A step that fails again and again ends: with the reason, after as many failures as are allowed, and not before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import structlog

from fedface_aggregator import fold as folding
from fedface_aggregator import reduce as reducing
from fedface_client import make_update as making
from fedface_control import sweep as sweeping
from fedface_control.api.views import run_detail
from fedface_control.failing import SWEEP_STEP
from fedface_control.proceed import proceed as proceed_as_stored
from fedface_core.domain.commands import FoldShard, HandleFact, ReduceRound
from fedface_core.domain.errors import UnavailableError, UnknownSchemaError
from fedface_core.domain.facts import StepFailed
from fedface_core.domain.failures import MOST_IN_A_ROW, PROCESS_ENDED
from fedface_core.domain.ids import client_id
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_learning.simulation.simulate import simulate
from support.in_process import InProcess
from support.killing import Killed
from support.public_reasons import without_codes
from support.tiny_run import tiny_plan

MAX_STEPS = 400
VICTIM = client_id(1)

# A service's function → the step that fails if it raises an error.
FUNCTIONS = {
    "fedface_aggregator.prepare.initial_model": "aggregator.prepare_model",
    "fedface_aggregator.fold.fold": "aggregator.fold_shard of shard 0",
    "fedface_aggregator.reduce.reduce": "aggregator.reduce_round",
    "fedface_evaluator.evaluate.score": "evaluator.evaluate_model",
    "fedface_control.phases.aggregating.digest_in_order": "control.handle_fact of round_aggregated",
}


def raising(errors: Iterator[BaseException]) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise next(errors)

    return fail


def drive(services: InProcess, run_id: str, until: Callable[[Run], bool] = lambda run: run.phase in ENDED) -> Run:
    """Deliver messages, and sweep whenever none waits. As in a worker, an error drops the message that it came from."""
    for _ in range(MAX_STEPS):
        run = services.ports.ledger.load(run_id)
        if until(run):
            return run
        try:
            services.step()
        except (RuntimeError, KeyError, UnavailableError, UnknownSchemaError):
            continue
    raise AssertionError(f"it goes on for ever: {run.phase}, in round {run.round}")


def plan_for(faces: Path, **changes: Any) -> Any:
    return tiny_plan(faces, **({"rounds": 1, "cohort": {"shard_size": 4, "retries": 0}} | changes))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_step_that_always_fails_ends_the_run_with_the_reason(
    faces: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    failures: list[int] = []

    def fail(*_: Any, **__: Any) -> Any:
        failures.append(len(failures))
        raise RuntimeError(f"attempt {len(failures)} of redis://:hunter2@host")

    monkeypatch.setattr(function, fail)
    services = InProcess(plan_for(faces))
    run = drive(services, services.start())
    assert run.phase is RunPhase.FAILED
    assert len(failures) == MOST_IN_A_ROW
    step = FUNCTIONS[function]
    hidden = "control" not in step  # control has no photographs, and says what it knows
    error = "RuntimeError (code …)" if hidden else "RuntimeError: attempt 5 of redis://***@host"
    expected = f"{step} failed 5 times, in the end with {error}"
    assert without_codes(run.failure or "") == (
        expected if "prepare" in step else f"round 0: {expected}" if "control" not in step else expected
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_step_that_kills_its_process_each_time_ends_the_run(
    faces: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    monkeypatch.setattr(function, raising(cycle([Killed("out of memory")])))
    services = InProcess(plan_for(faces))
    run = drive(services, services.start())
    assert run.phase is RunPhase.FAILED
    assert services.effect_log.kills == MOST_IN_A_ROW
    assert run.failure is not None
    assert run.failure.endswith(f"{FUNCTIONS[function]} failed 5 times, in the end with {PROCESS_ENDED}")


@pytest.mark.parametrize("mode", ["synchronous", "asynchronous"])
def test_the_sum_of_a_training_round_that_always_fails_abandons_it_and_then_ends_the_run(
    faces: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    plan = plan_for(faces, cohort={"shard_size": 4, "retries": 1, "quorum": 2}, aggregation={"mode": mode})
    services = InProcess(plan)
    run_id = services.start()
    drive(services, run_id, lambda run: run.round == 1)
    monkeypatch.setattr("fedface_aggregator.reduce.reduce", raising(cycle([KeyError("x")])))
    run = drive(services, run_id)
    rounds = services.ports.ledger.rounds(run_id)
    reason = "aggregator.reduce_round failed 5 times, in the end with KeyError (code …)"
    assert [(current.phase, without_codes(current.abandoned_because or "")) for current in rounds[1:]] == [
        (RoundPhase.ABANDONED, reason)
    ] * 2
    assert without_codes(run.failure or "") == f"round 2: {reason}; 2 rounds in a row were abandoned"


@pytest.mark.parametrize("mode", ["synchronous", "asynchronous"])
def test_a_client_that_always_fails_is_settled_with_its_last_attempt_and_the_reason(
    faces: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    def enrol(model: Any, images: Any, plan: Any) -> Any:
        raise RuntimeError(f"cuda out of memory: {len(images)} images")

    plan = plan_for(faces, cohort={"attempts": 3, "retries": 0, "quorum": 2}, aggregation={"mode": mode})
    monkeypatch.setattr("fedface_client.make_update.enrolment_update", enrol)
    services = InProcess(plan)
    run_id = services.start()
    run = drive(services, run_id)
    failed = services.ports.ledger.failed(run_id, 0)
    reason = "gave up after 3 attempts: RuntimeError (code …)"
    assert {client: without_codes(each) for client, each in failed.items()} == dict.fromkeys(
        services.ports.ledger.load_round(run_id, 0).cohort, reason
    )
    expected = f"round 0: 0 updates were accepted, fewer than the minimum 1; 4 of 4 failed clients: {reason}"
    assert without_codes(run.failure or "") == expected


def test_one_client_that_always_fails_leaves_the_others_their_round(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_update(workbench: Any, invitation: Any) -> Any:
        if invitation.client_id == VICTIM and invitation.opened_round.number == 1:
            raise KeyError("landmarks")
        return making.make_update(workbench, invitation)

    monkeypatch.setattr("fedface_client.attempt.make_update", make_update)
    services = InProcess(plan_for(faces, cohort={"attempts": 2}))
    run_id = services.start()
    run = drive(services, run_id)
    assert run.phase is RunPhase.COMPLETED
    ((client, reason),) = services.manifest(run_id, 1).failed.items()
    assert (client, without_codes(reason)) == (VICTIM, "gave up after 2 attempts: KeyError (code …)")


def test_a_step_that_recovers_gives_the_simulated_model(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four failures in each step, and none in the next try: nothing is abandoned, and no byte differs."""
    plan = plan_for(faces)
    for function in [*FUNCTIONS][:-1]:
        module, _, name = function.rpartition(".")
        works = getattr(__import__(module, fromlist=[name]), name)
        left = iter(range(MOST_IN_A_ROW - 1))

        def flaky(*args: Any, works: Any = works, left: Any = left, **kwargs: Any) -> Any:
            if next(left, None) is not None:
                raise RuntimeError("not now")
            return works(*args, **kwargs)

        monkeypatch.setattr(function, flaky)
    services = InProcess(plan)
    run = drive(services, services.start())
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(plan).model_sha256)
    assert run.abandoned_in_a_row == 0


def test_different_failures_do_not_add_up(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of three reasons comes four times, and then the step succeeds."""
    works = reducing.reduce
    errors = iter([RuntimeError("a"), KeyError("b"), RuntimeError("c")] * (MOST_IN_A_ROW - 1))

    def flaky(*args: Any, **kwargs: Any) -> Any:
        error = next(errors, None)
        if error is not None:
            raise error
        return works(*args, **kwargs)

    monkeypatch.setattr(reducing, "reduce", flaky)
    services = InProcess(plan_for(faces))
    assert drive(services, services.start()).phase is RunPhase.COMPLETED


def test_reasons_that_alternate_for_ever_end_too(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedface_aggregator.reduce.reduce", raising(cycle([RuntimeError("a"), KeyError("b")])))
    services = InProcess(plan_for(faces))
    run = drive(services, services.start())
    assert without_codes(run.failure or "") == (
        "round 0: aggregator.reduce_round failed 20 times, in the end with KeyError (code …)"
    )


@pytest.mark.parametrize("error", [UnavailableError("S3 does not answer"), UnknownSchemaError("of version 9")])
def test_a_dependency_that_is_away_for_long_is_waited_for(
    faces: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Neither the steps nor the clients' attempts are counted while they wait."""
    plan = plan_for(faces, cohort={"attempts": 2})
    services = InProcess(plan)
    put = services.ports.artifacts.put
    refusals = iter(range(60))

    def away(key: str, *data: bytes, sha256: str | None = None) -> None:
        if ("/updates/" in key or "/partials/" in key) and next(refusals, None) is not None:
            raise error
        put(key, *data, sha256=sha256)

    monkeypatch.setattr(services.ports.artifacts, "put", away)
    run_id = services.start()
    run = drive(services, run_id)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(plan).model_sha256)
    assert next(refusals, None) is None, "it was away long enough"
    assert services.manifest(run_id, 0).failed == {}


def test_a_failing_step_is_shown_until_it_succeeds(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works = reducing.reduce
    services = InProcess(plan_for(faces))
    ledger = services.ports.ledger
    run_id = services.start()
    monkeypatch.setattr(reducing, "reduce", raising(cycle([RuntimeError("no disk")])))
    drive(services, run_id, lambda _: bool(ledger.failures(run_id, 0)))
    (shown,) = run_detail(services.ports, ledger.load(run_id)).failing
    assert (shown.step, without_codes(shown.reason), shown.total) == ("aggregator.reduce_round", "RuntimeError (code …)", 1)
    monkeypatch.setattr(reducing, "reduce", works)
    run = drive(services, run_id)
    (event,) = [event for event in ledger.events(run_id) if event.name == "step_failing"]
    assert event.data == {"round": 0, "reason": f"aggregator.reduce_round: {shown.reason}"}
    assert run_detail(services.ports, run).failing == []
    assert run.phase is RunPhase.COMPLETED


def test_a_run_whose_sweep_always_fails_ends_and_the_others_go_on(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(plan_for(faces))
    troubled = services.start()
    services.clock.advance(1)
    well = services.start()
    works = proceed_as_stored

    def proceed(ports: Any, run: Run, may_publish: Any) -> None:
        if run.id == troubled:
            raise OverflowError("date value out of range")
        works(ports, run, may_publish)

    monkeypatch.setattr(sweeping, "proceed", proceed)
    services.publisher.published.clear()
    with structlog.testing.capture_logs():  # to print sixty tracebacks takes half a minute
        for _ in range(60):  # five minutes, as long as with a command that is repeated each minute
            assert services.ports.ledger.load(troubled).phase is RunPhase.PREPARING
            services.sweep_after(5)
    failed = services.ports.ledger.load(troubled)
    assert failed.failure == f"{SWEEP_STEP} failed 60 times, in the end with OverflowError: date value out of range"
    assert drive(services, well).phase is RunPhase.COMPLETED


def test_a_sweep_that_succeeds_begins_to_count_anew(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(plan_for(faces))
    run_id = services.start()
    works = proceed_as_stored
    for broken in (True, False, True):
        monkeypatch.setattr(sweeping, "proceed", raising(cycle([KeyError(1)])) if broken else works)
        services.sweep_after(5)
        failures = services.ports.ledger.failures(run_id)
        assert [failure.total for failure in failures] == ([1] if broken else [])


def test_a_kill_that_is_no_fault_of_the_step_is_forgotten_when_it_succeeds(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = folding.fold
    deaths = iter(range(MOST_IN_A_ROW - 1))

    def dies(*args: Any, **kwargs: Any) -> Any:
        if next(deaths, None) is not None:
            raise Killed("by the operating system")
        return works(*args, **kwargs)

    monkeypatch.setattr(folding, "fold", dies)
    services = InProcess(plan_for(faces))
    run_id = services.start()
    run = drive(services, run_id)
    assert run.phase is RunPhase.COMPLETED
    assert [failure for number in (0, 1) for failure in services.ports.ledger.failures(run_id, number)] == []


def test_an_outlived_report_of_a_step_that_was_given_up_changes_nothing(faces: Path) -> None:
    """The report of a killed process may come after another process has done the step."""
    services = InProcess(plan_for(faces))
    run_id = services.start()
    drive(services, run_id, lambda run: run.round == 1)
    for command in (FoldShard(run_id=run_id, round=0, shard=0), ReduceRound(run_id=run_id, round=0)):
        for _ in range(MOST_IN_A_ROW + 1):
            with pytest.raises(SystemExit), services.came_back[type(command)](command, "again"):
                raise SystemExit
    facts = [command.fact for command in services.publisher.commands if isinstance(command, HandleFact)]
    assert sum(isinstance(fact, StepFailed) for fact in facts) == 4
    assert drive(services, run_id).phase is RunPhase.COMPLETED
