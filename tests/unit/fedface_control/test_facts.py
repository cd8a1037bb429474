"""Facts that come at the wrong time change nothing."""

from __future__ import annotations

import pytest

from fedface_control.facts import handle_fact
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.facts import Fact, ModelPrepared, RoundReady, StepFailed
from fedface_core.domain.run import ENDED, RunPhase
from support.control_rounds import MODEL, RUN, Control

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
