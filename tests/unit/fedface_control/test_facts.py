"""Facts that come at the wrong time change nothing."""

from __future__ import annotations

import pytest

from fedface_control.facts import handle_fact
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.facts import PREPARATION, Fact, ModelPrepared, OwnedStep, RoundReady, StepFailed
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED, RunPhase
from support.control_rounds import MODEL, RUN, Control, a_round, an_aggregation

PREPARED = ModelPrepared(run_id=RUN, model_sha256=MODEL)
FAILED = StepFailed(run_id=RUN, round=None, reason="no disk")


@pytest.mark.parametrize("fact", [PREPARED, FAILED], ids=["prepared", "failed"])
@pytest.mark.parametrize("phase", sorted(ENDED | {RunPhase.CREATED}))
def test_a_run_that_has_not_started_or_has_ended_takes_no_fact(phase: RunPhase, fact: Fact) -> None:
    control = Control.empty()
    before = control.create(phase)
    handle_fact(control.ports, fact)
    assert control.ledger.load(RUN) == before
    assert control.publisher.published == []


def test_a_fact_about_an_unknown_run_is_an_error() -> None:
    with pytest.raises(NotFoundError):
        handle_fact(Control.empty().ports, PREPARED)


def test_the_failure_of_an_earlier_step_does_not_fail_the_run() -> None:
    control = Control.empty()
    before = control.open()
    handle_fact(control.ports, FAILED)
    assert control.ledger.load(RUN) == before, "the model was prepared since"


def test_a_failed_step_fails_a_run_that_is_only_half_prepared() -> None:
    control = Control.empty()
    run = control.create(RunPhase.PREPARING)
    control.ledger.save(run.with_model(MODEL), "model_prepared")
    handle_fact(control.ports, FAILED)
    failed = control.ledger.load(RUN)
    assert (failed.phase, failed.failure) == (RunPhase.FAILED, "no disk")


def test_a_failed_step_of_a_prepared_run_changes_nothing() -> None:
    control = Control.empty()
    run = control.create(RunPhase.PREPARING)
    before = control.ledger.save(run.with_model(MODEL).with_identity_list("b" * 64), "identities_listed")
    handle_fact(control.ports, FAILED)
    assert control.ledger.load(RUN) == before, "a repetition has succeeded since"


def test_a_round_that_is_not_ready_by_the_ledgers_counts_stays_open() -> None:
    control = Control.empty()
    before = control.open()
    control.accept(0, 1)
    handle_fact(control.ports, RoundReady(run_id=RUN, round=0, because="settled"))
    assert control.ledger.load(RUN) == before


WAITS_FOR = {
    OwnedStep.FOLD_SHARD: {RoundPhase.OPEN, RoundPhase.SUSPENDED, RoundPhase.AGGREGATING},
    OwnedStep.REDUCE_ROUND: {RoundPhase.AGGREGATING},
    OwnedStep.EVALUATE_MODEL: {RoundPhase.EVALUATING},
}


@pytest.mark.parametrize("step", WAITS_FOR)
@pytest.mark.parametrize("phase", RoundPhase)
def test_a_service_fails_a_round_only_with_a_step_that_the_round_waits_for(step: OwnedStep, phase: RoundPhase) -> None:
    """Else an evaluator could end a run whose round is being aggregated."""
    control = Control.empty()
    run = control.open()
    before = control.ledger.save(run, "placed", changed=a_round(phase, 0))
    handle_fact(control.ports, StepFailed(run_id=RUN, step=step, round=0, reason="no disk"))
    after = control.ledger.load(RUN)
    if phase in WAITS_FOR[step]:
        assert (after.phase, after.failure) == (RunPhase.FAILED, "round 0: no disk")
    else:
        assert after == before


@pytest.mark.parametrize(
    ("step", "fails"), [(OwnedStep.EVALUATE_MODEL, True), (OwnedStep.REDUCE_ROUND, False), (OwnedStep.FOLD_SHARD, False)]
)
def test_an_earlier_round_that_is_being_scored_fails_only_by_its_evaluation(step: OwnedStep, fails: bool) -> None:
    control = Control.empty()
    scored = a_round(RoundPhase.EVALUATING, 0).replace(aggregation=an_aggregation())
    run = control.open().starting_from_unscored(0, MODEL).in_round(1)
    before = control.ledger.save(run, "placed", changed=scored, opened=a_round())
    handle_fact(control.ports, StepFailed(run_id=RUN, step=step, round=0, reason="no disk"))
    after = control.ledger.load(RUN)
    assert (after.phase is RunPhase.FAILED) is fails
    assert fails or after == before


@pytest.mark.parametrize(
    ("step", "fails"), [(OwnedStep.PREPARE_MODEL, False), (OwnedStep.LIST_IDENTITIES, True), (OwnedStep.REDUCE_ROUND, False)]
)
def test_a_half_prepared_run_fails_only_by_what_it_lacks(step: OwnedStep, fails: bool) -> None:
    control = Control.empty()
    run = control.create(RunPhase.PREPARING)
    before = control.ledger.save(run.with_model(MODEL), "model_prepared")
    number = None if step in PREPARATION else 0
    handle_fact(control.ports, StepFailed(run_id=RUN, step=step, round=number, reason="no disk"))
    after = control.ledger.load(RUN)
    assert (after.phase is RunPhase.FAILED) is fails
    assert fails or after == before
