"""Pausing and resuming: what continues, what stops, and that the model is that of a run which was never paused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fedface_control.operate.run import cancel_run, pause_run, resume_run
from fedface_core.domain.commands import EnrolClients, ListIdentities, PrepareModel, TrainClients
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update, training_update
from support.in_process import InProcess
from support.pausing import LONG, check_ends_as_simulated, check_stands_still
from support.places import in_round
from support.tiny_run import tiny_plan


@pytest.fixture
def services(faces: Path) -> InProcess:
    return InProcess(tiny_plan(faces, cohort={"deadline_seconds": 5000}))


def open_round_1(services: InProcess, accepted: int = 0) -> str:
    """A run whose round 1 has just opened, with the updates of the first clients accepted, and no message lost."""
    run_id = services.start()
    services.until(run_id, in_round(services, 1))
    services.until(run_id, lambda _: services.ports.ledger.tally(run_id, 1).accepted == accepted)
    return run_id


@pytest.mark.parametrize("phase", [RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING])
def test_a_pause_lets_the_round_in_flight_finish_and_opens_no_other(services: InProcess, phase: RoundPhase) -> None:
    run_id = services.start()
    services.until(run_id, in_round(services, 1, phase))
    assert pause_run(services.ports, run_id).phase is RunPhase.PAUSING
    services.until(run_id, lambda run: run.phase is RunPhase.PAUSED)
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.FINISHED
    assert services.ports.ledger.load(run_id).paused_at == services.clock.now()
    check_stands_still(services, run_id)
    assert resume_run(services.ports, run_id).round == 2
    check_ends_as_simulated(services, run_id)


def test_a_message_lost_while_pausing_is_repaired_by_the_sweep(services: InProcess) -> None:
    run_id = open_round_1(services, accepted=1)
    pause_run(services.ports, run_id)
    services.publisher.published.clear()
    services.until(run_id, lambda run: run.phase is RunPhase.PAUSED)
    assert len(services.manifest(run_id, 1).accepted) == 4


def test_a_pause_that_is_taken_back_publishes_nothing_twice(services: InProcess) -> None:
    run_id = open_round_1(services, accepted=1)
    under_way = list(services.publisher.published)
    pause_run(services.ports, run_id)
    assert resume_run(services.ports, run_id).phase is RunPhase.RUNNING
    assert services.publisher.published == under_way
    check_ends_as_simulated(services, run_id)


def test_pausing_now_keeps_the_round_and_starts_no_client(services: InProcess, trained: list[tuple[int, str]]) -> None:
    run_id = open_round_1(services, accepted=1)
    assert pause_run(services.ports, run_id, now=True).phase is RunPhase.PAUSED
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.SUSPENDED
    before = list(trained)
    check_stands_still(services, run_id)
    assert trained == before
    assert services.ports.ledger.tally(run_id, 1).accepted == 1
    resume_run(services.ports, run_id)
    asked = [
        client for command in services.publisher.commands if isinstance(command, TrainClients) for client in command.clients
    ]
    assert asked == ["client-000001", "client-000002", "client-000003"], "those whose messages came to nothing"
    check_ends_as_simulated(services, run_id)
    assert len(trained) == 8, "two rounds of four"


def test_an_update_under_way_when_the_run_is_paused_still_counts(
    services: InProcess, monkeypatch: pytest.MonkeyPatch, trained: list[tuple[int, str]]
) -> None:
    run_id = open_round_1(services)
    paused: list[object] = []

    def paused_meanwhile(trainer: LocalTrainer, trainee: Trainee, training: TrainingRound) -> Update:
        trained.append((training.number, trainee.client))
        if not paused:
            paused.append(pause_run(services.ports, run_id, now=True))
            services.clock.advance(LONG)
        return training_update(trainer, trainee, training)

    monkeypatch.setattr("fedface_client.make_update.training_update", paused_meanwhile)
    services.step()
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.SUSPENDED
    assert list(services.ports.ledger.accepted(run_id, 1)) == ["client-000000"]
    check_stands_still(services, run_id)
    resume_run(services.ports, run_id)
    check_ends_as_simulated(services, run_id)
    assert [number for number, client in trained if client == "client-000000"] == [1, 2], "once in each round"


def test_the_last_update_of_a_suspended_round_closes_it_on_resume(
    services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = open_round_1(services, accepted=3)
    (last,) = [message for message in services.publisher.published if isinstance(message[0], TrainClients)]
    services.publisher.published.clear()
    begin = services.ports.ledger.begin_attempt

    def pause_once_begun(*args: Any) -> int:
        attempt = begin(*args)
        pause_run(services.ports, run_id, now=True)
        return attempt

    with monkeypatch.context() as patched:
        patched.setattr(services.ports.ledger, "begin_attempt", pause_once_begun)
        services.deliver(*last)
    assert services.ports.ledger.tally(run_id, 1).accepted == 4
    check_stands_still(services, run_id)
    resume_run(services.ports, run_id)
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.AGGREGATING
    assert not any(isinstance(command, TrainClients) for command in services.publisher.commands)
    check_ends_as_simulated(services, run_id)


def test_the_deadline_stands_still_while_the_round_is_kept(services: InProcess) -> None:
    run_id = open_round_1(services, accepted=1)
    deadline_at = services.ports.ledger.load_round(run_id, 1).deadline_at
    services.clock.advance(1000)
    pause_run(services.ports, run_id, now=True)
    services.publisher.published.clear()
    services.sweep_after(8000)
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.SUSPENDED
    resume_run(services.ports, run_id)
    reopened = services.ports.ledger.load_round(run_id, 1)
    assert (reopened.phase, reopened.suspended_at) == (RoundPhase.OPEN, None)
    assert reopened.deadline_at == deadline_at + timedelta(seconds=8000)
    services.publisher.published.clear()
    services.sweep_after(4001)
    closed = services.ports.ledger.load_round(run_id, 1)
    assert (closed.phase, services.ports.ledger.tally(run_id, 1).accepted) == (RoundPhase.AGGREGATING, 1)


@pytest.mark.parametrize("now", [False, True])
def test_a_run_is_paused_while_it_is_prepared(services: InProcess, now: bool) -> None:
    run_id = services.start()
    paused = pause_run(services.ports, run_id, now=now)
    assert paused.phase is (RunPhase.PAUSED if now else RunPhase.PAUSING)
    check_stands_still(services, run_id)
    run = services.ports.ledger.load(run_id)
    assert (run.round, run.is_prepared) == (None, True)
    assert resume_run(services.ports, run_id).round == 0
    check_ends_as_simulated(services, run_id)


def test_a_preparation_that_was_lost_while_paused_is_asked_for_on_resume(services: InProcess) -> None:
    run_id = services.start()
    pause_run(services.ports, run_id, now=True)
    services.publisher.published.clear()
    assert resume_run(services.ports, run_id).phase is RunPhase.PREPARING
    assert services.publisher.commands == [PrepareModel(run_id=run_id), ListIdentities(run_id=run_id)]
    check_ends_as_simulated(services, run_id)


def test_enrolment_is_paused_like_any_round(services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0 and services.ports.ledger.tally(run_id, 0).accepted == 2)
    pause_run(services.ports, run_id, now=True)
    check_stands_still(services, run_id)
    resume_run(services.ports, run_id)
    assert [
        client for command in services.publisher.commands if isinstance(command, EnrolClients) for client in command.clients
    ] == [
        "client-000002",
        "client-000003",
    ]
    check_ends_as_simulated(services, run_id)


def test_a_drain_can_be_cut_short(services: InProcess) -> None:
    run_id = open_round_1(services, accepted=1)
    pause_run(services.ports, run_id)
    assert pause_run(services.ports, run_id, now=True).phase is RunPhase.PAUSED
    check_stands_still(services, run_id)
    resume_run(services.ports, run_id)
    check_ends_as_simulated(services, run_id)


def test_a_paused_run_can_be_cancelled(services: InProcess) -> None:
    run_id = open_round_1(services, accepted=1)
    pause_run(services.ports, run_id, now=True)
    cancelled = cancel_run(services.ports, run_id)
    services.drain()
    services.sweep_after(LONG)
    assert services.publisher.published == []
    assert services.ports.ledger.load(run_id) == cancelled
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.ABANDONED
