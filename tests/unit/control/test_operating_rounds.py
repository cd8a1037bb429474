"""Rounds that an operator closes, retries or leaves unscored, rounds that nobody answers, and when a run stops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedface_control.api.views import run_summary
from fedface_control.operate.round import close_round_early, retry_round, skip_evaluation
from fedface_control.operate.run import pause_run, resume_run
from fedface_core.domain.cohort import draw_cohort
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.ids import client_id
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from support.in_process import REPEAT_AFTER, InProcess
from support.places import in_round, score_as
from support.tiny_run import tiny_plan

EVERYONE = tuple(client_id(index) for index in range(4))


def made(faces: Path, **changes: Any) -> InProcess:
    return InProcess(tiny_plan(faces, **changes))


def in_round_1(services: InProcess, phase: RoundPhase = RoundPhase.OPEN) -> str:
    run_id = services.start()
    services.until(run_id, in_round(services, 1, phase))
    return run_id


@pytest.mark.parametrize("phase", [RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING])
def test_a_retried_round_gives_way_to_a_fresh_cohort_from_the_same_model(faces: Path, phase: RoundPhase) -> None:
    services = made(faces, cohort={"size": 2}, seed=1)
    ledger, run_id = services.ports.ledger, in_round_1(services, phase)
    run = retry_round(services.ports, run_id, 1)
    given_up, fresh = ledger.rounds(run_id)[1:]
    assert (given_up.phase, given_up.abandoned_because) == (RoundPhase.ABANDONED, "an operator retried it")
    assert (fresh.number, fresh.phase, run.round) == (2, RoundPhase.OPEN, 2)
    assert fresh.cohort == draw_cohort(services.plan, 2, EVERYONE) != given_up.cohort
    assert (fresh.base, fresh.model_sha256) == (0, given_up.model_sha256)
    ended = services.to_end(run_id)
    assert (ended.phase, ended.finished_rounds, ended.round) == (RunPhase.COMPLETED, 2, 3)
    assert [shown.base for shown in ledger.rounds(run_id)] == [None, 0, 0, 2]
    assert services.manifest(run_id, 1).round == ledger.load_round(run_id, 1)
    services.drain()
    assert ledger.load(run_id) == ended, "messages of the round that was given up change nothing"


def test_an_operators_retries_are_no_failures(faces: Path) -> None:
    services = made(faces, cohort={"retries": 0})
    run_id = in_round_1(services)
    for number in range(1, 5):
        retry_round(services.ports, run_id, number)
    assert services.to_end(run_id).finished_rounds == 2


def test_a_round_is_closed_early_with_what_was_accepted(faces: Path) -> None:
    services = made(faces, cohort={"minimum": 2})
    run_id = in_round_1(services)
    with pytest.raises(WrongPhaseError, match="0 updates are accepted, fewer than the minimum 2; wait for more, or retry"):
        close_round_early(services.ports, run_id, 1)
    services.until(run_id, lambda _: services.ports.ledger.tally(run_id, 1).accepted == 2)
    accepted = dict(services.ports.ledger.accepted(run_id, 1))
    close_round_early(services.ports, run_id, 1)
    assert services.to_end(run_id).phase is RunPhase.COMPLETED
    manifest = services.manifest(run_id, 1)
    assert dict(manifest.accepted) == accepted
    assert manifest.round.aggregation is not None
    assert manifest.round.aggregation.folded == 2
    assert len(services.manifest(run_id, 2).accepted) == 4, "only that round"


def test_enrolment_closed_early_leaves_out_who_was_not_there(faces: Path) -> None:
    services = made(faces)
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0 and services.ports.ledger.tally(run_id, 0).accepted == 3)
    close_round_early(services.ports, run_id, 0)
    assert services.to_end(run_id).phase is RunPhase.COMPLETED
    assert services.manifest(run_id, 2).round.cohort == EVERYONE[:3]


@pytest.mark.parametrize("lost", [False, True], ids=["delivered", "lost"])
@pytest.mark.parametrize("phase", [RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING])
def test_a_round_whose_evaluation_is_skipped_finishes_without_scores(faces: Path, phase: RoundPhase, lost: bool) -> None:
    services = made(faces)
    ledger, run_id = services.ports.ledger, in_round_1(services, phase)
    if phase is RoundPhase.EVALUATING:
        services.publisher.published.clear()  # the evaluator is away
    skip_evaluation(services.ports, run_id, 1)
    if lost:
        services.publisher.published.clear()
    services.until(run_id, in_round(services, 2))
    finished = ledger.load_round(run_id, 1)
    assert (finished.phase, finished.scores) == (RoundPhase.FINISHED, None)
    assert services.manifest(run_id, 1).round == finished
    enrolment = ledger.load_round(run_id, 0)
    summary = run_summary(ledger, ledger.load(run_id))
    assert summary.scores == enrolment.scores is not None, "the newest there are"
    ended = services.to_end(run_id)
    assert (ended.phase, ended.finished_rounds) == (RunPhase.COMPLETED, 2)
    assert ledger.load_round(run_id, 2).scores is not None, "only that round's is skipped"


def test_scores_that_were_on_their_way_are_kept_though_the_evaluation_is_skipped(faces: Path) -> None:
    services = made(faces)
    run_id = in_round_1(services, RoundPhase.EVALUATING)
    services.step()
    skip_evaluation(services.ports, run_id, 1)
    services.to_end(run_id)
    assert services.ports.ledger.load_round(run_id, 1).scores is not None


def nobody_trains(services: InProcess, rounds: set[int]) -> None:
    """In these rounds every client fails."""
    train = services.handlers[TrainClients]

    def refuse(command: TrainClients, correlation_id: str) -> None:
        if command.round in rounds:
            services.ports.ledger.fail(command.run_id, command.round, command.clients[0], "flat", services.clock.now())
        else:
            train(command, correlation_id)

    services.handlers[TrainClients] = refuse


def test_abandoned_rounds_are_retried_and_count_for_nothing(faces: Path) -> None:
    services = made(faces, cohort={"retries": 1})
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
    services = made(faces, cohort={"retries": retries})
    run_id = services.start()
    nobody_trains(services, {1, 2, 3})
    run = services.to_end(run_id)
    assert (run.phase, run.failure, run.round) == (RunPhase.FAILED, failure, retries + 1)


def test_a_run_stops_where_its_target_is_reached(faces: Path) -> None:
    services = made(faces, rounds=9, stop={"far": 0.5, "target_tar": 0.8})
    run_id = services.start()
    score_as(services, lambda number: 0.5 + number / 10)
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds) == (RunPhase.COMPLETED, 3)
    assert run.stopped_because == "TAR at FAR 5e-1 is 0.8000, which reaches the target 0.8000"


def test_a_run_stops_where_rounds_have_brought_no_gain(faces: Path) -> None:
    services = made(faces, rounds=9, stop={"far": 0.5, "patience": 2})
    run_id = services.start()
    score_as(services, lambda number: min(0.7, 0.5 + number / 10))
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds) == (RunPhase.COMPLETED, 4)
    assert run.stopped_because == "TAR at FAR 5e-1 was 0.7000, and the last 2 evaluated have not raised it"


@pytest.mark.parametrize(("paused_for", "finished"), [(0.0, 1), (5000.0, 1)])
def test_a_run_stops_when_its_time_is_up_and_pauses_do_not_count(faces: Path, paused_for: float, finished: int) -> None:
    services = made(faces, rounds=9, stop={"wall_clock_seconds": 1000})
    run_id = in_round_1(services)
    services.clock.advance(600)
    if paused_for:
        pause_run(services.ports, run_id, now=True)
        services.clock.advance(paused_for)
        resume_run(services.ports, run_id)
    services.until(run_id, in_round(services, 2))
    services.clock.advance(400)
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds) == (RunPhase.COMPLETED, finished + 1)
    assert run.stopped_because == "1000 s have passed; the limit is 1000 s"


def test_a_pausing_run_that_has_all_its_rounds_is_completed(faces: Path) -> None:
    services = made(faces, rounds=1)
    run_id = in_round_1(services)
    pause_run(services.ports, run_id)
    services.drain()
    services.sweep_after(REPEAT_AFTER.total_seconds())
    run = services.ports.ledger.load(run_id)
    assert (run.phase, run.stopped_because) == (RunPhase.COMPLETED, "1 of 1 rounds are finished")
