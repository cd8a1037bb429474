"""Facts that come late, twice or never, and runs that are cancelled or fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedface_control.operate.run import cancel_run, create_run, start_run
from fedface_core.domain.commands import HandleFact
from fedface_core.domain.errors import StaleVersionError, WrongPhaseError
from fedface_core.domain.facts import ModelPrepared, RoundReady, StepFailed
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate
from support.in_process import InProcess
from support.tiny_run import tiny_plan


def in_round(services: InProcess, phase: RoundPhase) -> Callable[[Run], bool]:
    return lambda run: run.round == 1 and services.ports.ledger.load_round(run.id, 1).phase is phase


@pytest.mark.parametrize("phase", [RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING])
def test_a_run_can_be_cancelled_in_any_phase_of_a_round(faces: Path, phase: RoundPhase) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, in_round(services, phase))
    cancelled = cancel_run(services.ports, run_id)
    assert (cancelled.phase, cancelled.ended_at) == (RunPhase.CANCELLED, services.clock.now())
    services.drain()
    services.sweep_after(1e7)
    services.drain()
    assert services.ports.ledger.load(run_id) == cancelled
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.ABANDONED
    late = AcceptedUpdate(sha256="0" * 64, size=1, images=1)
    refused = services.ports.ledger.accept(run_id, 1, "client-000003", late).refused
    assert refused == ("late" if phase is RoundPhase.OPEN else "duplicate")
    with pytest.raises(WrongPhaseError, match="is cancelled, which allows delete"):
        cancel_run(services.ports, run_id)


def test_a_run_can_be_cancelled_before_its_first_round(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    assert services.ports.ledger.load(run_id).phase is RunPhase.PREPARING
    cancelled = cancel_run(services.ports, run_id)
    services.drain()
    assert services.ports.ledger.load(run_id) == cancelled
    assert services.ports.ledger.rounds(run_id) == []


def test_a_run_is_started_once(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    with pytest.raises(WrongPhaseError, match=f"cannot start: {run_id} is preparing, which allows pause, pause now, cancel"):
        start_run(services.ports, run_id)


def test_facts_that_come_twice_or_too_late_change_nothing(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    facts: list[HandleFact] = []
    handle = services.handlers[HandleFact]

    def note_and_handle(command: HandleFact, correlation_id: str) -> None:
        facts.append(command)
        handle(command, correlation_id)

    services.handlers[HandleFact] = note_and_handle
    services.until(run_id, in_round(services, RoundPhase.EVALUATING))
    assert {type(command.fact).__name__ for command in facts} == {
        "ModelPrepared",
        "IdentitiesListed",
        "RoundReady",
        "RoundAggregated",
        "RoundEvaluated",
    }
    before = services.ports.ledger.load(run_id)
    for command in list(facts):
        services.deliver_now(command)
    assert services.ports.ledger.load(run_id) == before


@pytest.mark.parametrize("kind", ["model_prepared", "step_failed"])
def test_a_fact_about_a_run_that_has_not_started_changes_nothing(faces: Path, kind: str) -> None:
    """A run that is deleted and created again with its key has its old id, so messages of the deleted run may still come."""
    services = InProcess(tiny_plan(faces))
    run = create_run(services.ports, services.plan)
    facts: dict[str, ModelPrepared | StepFailed] = {
        "model_prepared": ModelPrepared(run_id=run.id, model_sha256="0" * 64),
        "step_failed": StepFailed(run_id=run.id, round=None, reason="no such weights"),
    }
    services.deliver_now(HandleFact(run_id=run.id, fact=facts[kind]))
    assert services.ports.ledger.load(run.id) == run
    assert not services.publisher.published


def test_a_fact_is_handled_again_if_another_was_faster(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    save = services.ports.ledger.save
    overtaken: list[object] = []

    def overtaken_twice(*args: object, **kwargs: object) -> Run:
        if len(overtaken) < 2:
            overtaken.append(args)
            raise StaleVersionError("somebody was faster")
        return save(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(services.ports.ledger, "save", overtaken_twice)
    for client in services.ports.ledger.load_round(run_id, 0).cohort:
        services.ports.ledger.fail(run_id, 0, client, "no photographs")
    services.deliver_now(HandleFact(run_id=run_id, fact=RoundReady(run_id=run_id, round=0, because="settled")))
    assert len(overtaken) == 2
    assert services.ports.ledger.load_round(run_id, 0).phase is RoundPhase.ABANDONED


@pytest.mark.parametrize("started", [False, True])
def test_a_failed_step_ends_the_run_with_the_reason(faces: Path, started: bool) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    if started:
        services.until(run_id, in_round(services, RoundPhase.OPEN))
    fact = StepFailed(run_id=run_id, round=1 if started else None, reason="no disk")
    services.deliver_now(HandleFact(run_id=run_id, fact=fact))
    run = services.ports.ledger.load(run_id)
    assert run.phase is RunPhase.FAILED
    assert run.failure == ("round 1: no disk" if started else "no disk")
    assert [event.name for event in services.ports.ledger.events(run_id)][-1] == "run_failed"
    if started:
        abandoned = services.ports.ledger.load_round(run_id, 1)
        assert (abandoned.phase, abandoned.abandoned_because) == (RoundPhase.ABANDONED, "the run has failed")


def test_a_failure_that_the_run_has_outlived_does_not_end_it(faces: Path) -> None:
    """One delivery of a step of round 0 failed and another succeeded. The failure comes after round 0 and during round 1."""
    plan = tiny_plan(faces, split={"clients": 2}, rounds=1)
    unharmed = InProcess(plan)
    unharmed.run()
    finished = unharmed.effect_log.effects.index("save round_finished")
    services = InProcess(plan, kill_after=finished + 1, redeliver=False)
    run_id = services.start()
    services.until(run_id, lambda run: len(services.effect_log.effects) > finished)
    assert services.ports.ledger.load_round(run_id, 0).phase is RoundPhase.FINISHED
    outlived = HandleFact(run_id=run_id, fact=StepFailed(run_id=run_id, round=0, reason="no disk"))
    services.deliver_now(outlived)
    services.until(run_id, lambda run: run.round == 1)
    services.deliver_now(outlived)
    run = services.to_end(run_id)
    assert (run.phase, run.failure) == (RunPhase.COMPLETED, None)


def test_a_message_about_an_unknown_run_is_an_error(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = "run-00000000dead"
    with pytest.raises(LookupError, match=run_id):
        services.deliver(HandleFact(run_id=run_id, fact=ModelPrepared(run_id=run_id, model_sha256="0" * 64)), "stray")


def test_the_audit_trail_tells_the_story_of_the_run(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    run = services.run()
    events = services.ports.ledger.events(run.id)
    a_round = ["round_opened", "round_closed", "round_aggregated", "round_finished"]
    before = ["run_created", "run_started", "model_prepared", "identities_listed"]
    assert [event.name for event in events] == [*before, *a_round, *a_round, "run_completed"]
    assert [event.data.get("round") for event in events] == [None, None, None, None, 0, 0, 0, 0, 1, 1, 1, 1, None]


def test_every_message_of_a_run_carries_its_correlation_id(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    correlation_id = services.ports.ledger.load(run_id).correlation_id
    seen = set()
    while services.publisher.published:
        seen |= {cid for _, cid in services.publisher.published}
        services.step()
    assert services.ports.ledger.load(run_id).phase is RunPhase.COMPLETED
    assert seen == {correlation_id}
