"""Rounds that nobody answers are abandoned, and too many of them fail the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_control.halt import abandon_round, cancel, pause_if_requested
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from support.control_rounds import RUN, Control, services_for
from support.in_process import InProcess


def nobody_trains(services: InProcess, rounds: set[int]) -> None:
    """In these rounds every client fails."""
    train = services.handlers[TrainClients]

    def refuse(command: TrainClients, correlation_id: str) -> None:
        if command.round in rounds:
            services.ports.ledger.fail(command.run_id, command.round, command.clients[0], "flat")
        else:
            train(command, correlation_id)

    services.handlers[TrainClients] = refuse


def test_abandoned_rounds_are_retried_and_count_for_nothing(faces: Path) -> None:
    services = services_for(faces, cohort={"retries": 1})
    run_id = services.start()
    nobody_trains(services, {1, 3})
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds, run.round, run.abandoned_in_a_row) == (RunPhase.COMPLETED, 2, 4, 0)
    story = [event for event in services.ports.ledger.events(run.id) if event.name == "round_abandoned"]
    assert [event.data["round"] for event in story] == [1, 3]
    assert all(event.data["because"] == "0 updates were accepted, fewer than the minimum 1" for event in story)


@pytest.mark.parametrize(
    ("retries", "failure"),
    [
        (0, "round 1: 0 updates were accepted, fewer than the minimum 1"),
        (2, "round 3: 0 updates were accepted, fewer than the minimum 1; 3 rounds in a row were abandoned"),
    ],
)
def test_one_abandoned_round_too_many_fails_the_run(faces: Path, retries: int, failure: str) -> None:
    services = services_for(faces, cohort={"retries": retries})
    run_id = services.start()
    nobody_trains(services, {1, 2, 3})
    run = services.to_end(run_id)
    assert (run.phase, run.failure, run.round) == (RunPhase.FAILED, failure, retries + 1)


def test_an_abandoned_enrolment_fails_the_run() -> None:
    control = Control.empty()
    run = control.open()
    failed = abandon_round(control.ports, run, control.ledger.load_round(RUN, 0), "nobody answered")
    assert (failed.phase, failed.failure) == (RunPhase.FAILED, "round 0: nobody answered")
    assert control.ledger.load_round(RUN, 0).phase is RoundPhase.ABANDONED


def test_the_end_of_a_run_abandons_its_open_round() -> None:
    control = Control.empty()
    cancelled = cancel(control.ports, control.open())
    abandoned = control.ledger.load_round(RUN, 0)
    assert (cancelled.phase, abandoned.phase) == (RunPhase.CANCELLED, RoundPhase.ABANDONED)
    assert abandoned.abandoned_because == "the run has cancelled"
    with pytest.raises(WrongPhaseError):
        cancel(control.ports, cancelled)


def test_only_a_run_that_is_to_pause_is_paused() -> None:
    control = Control.empty()
    assert pause_if_requested(control.ports, control.create(RunPhase.RUNNING)) is None
    pausing = control.ledger.save(control.ledger.load(RUN).pausing(), "run_pausing")
    paused = pause_if_requested(control.ports, pausing)
    assert paused is not None
    assert (paused.phase, paused.paused_at) == (RunPhase.PAUSED, control.clock.now())
