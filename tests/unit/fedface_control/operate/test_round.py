"""Rounds that an operator closes, retries or leaves unscored."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_control.api.views import run_summary
from fedface_control.operate.round import close_round_early, retry_round, skip_evaluation
from fedface_core.domain.cohort import draw_cohort
from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.ids import client_id
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from support.control_rounds import services_for, start_in_round_1
from support.places import in_round

EVERYONE = tuple(client_id(index) for index in range(4))


@pytest.mark.parametrize("phase", [RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING])
def test_a_retried_round_gives_way_to_a_fresh_cohort_from_the_same_model(faces: Path, phase: RoundPhase) -> None:
    services = services_for(faces, cohort={"size": 2}, seed=1)
    ledger = services.ports.ledger
    run_id = start_in_round_1(services, phase)
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
    services = services_for(faces, cohort={"retries": 0})
    run_id = start_in_round_1(services)
    for number in range(1, 5):
        retry_round(services.ports, run_id, number)
    assert services.to_end(run_id).finished_rounds == 2


def test_a_round_is_closed_early_with_what_was_accepted(faces: Path) -> None:
    services = services_for(faces, cohort={"minimum": 2})
    run_id = start_in_round_1(services)
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
    services = services_for(faces)
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0 and services.ports.ledger.tally(run_id, 0).accepted == 3)
    close_round_early(services.ports, run_id, 0)
    assert services.to_end(run_id).phase is RunPhase.COMPLETED
    assert services.manifest(run_id, 2).round.cohort == EVERYONE[:3]


@pytest.mark.parametrize("lost", [False, True], ids=["delivered", "lost"])
@pytest.mark.parametrize("phase", [RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING])
def test_a_round_whose_evaluation_is_skipped_finishes_without_scores(faces: Path, phase: RoundPhase, lost: bool) -> None:
    services = services_for(faces)
    ledger = services.ports.ledger
    run_id = start_in_round_1(services, phase)
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
    services = services_for(faces)
    run_id = start_in_round_1(services, RoundPhase.EVALUATING)
    services.step()
    skip_evaluation(services.ports, run_id, 1)
    services.to_end(run_id)
    assert services.ports.ledger.load_round(run_id, 1).scores is not None
