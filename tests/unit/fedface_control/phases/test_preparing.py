"""A run is prepared: its initial model is requested until it is there."""

from __future__ import annotations

from datetime import timedelta

from fedface_control.phases.preparing import model_prepared, next_step, request_model_again, requested_at
from fedface_core.domain.commands import PrepareModel
from fedface_core.domain.facts import ModelPrepared
from fedface_core.domain.run import RunPhase
from support.control_rounds import MODEL, NOW, RUN, Control

FACT = ModelPrepared(run_id=RUN, model_sha256=MODEL)


def test_the_moment_of_a_repeated_request_is_stored() -> None:
    control = Control.empty()
    run = control.create(RunPhase.PREPARING)
    assert requested_at(run) == NOW
    control.clock.advance(31)
    request_model_again(control.ports, run)
    assert requested_at(control.ledger.load(RUN)) == NOW + timedelta(seconds=31)
    assert control.publisher.commands == [PrepareModel(run_id=RUN)]


def test_the_first_model_counts_and_enrolment_opens() -> None:
    control = Control.empty()
    run = control.create(RunPhase.PREPARING)
    assert next_step(control.ports, run) is None
    prepared = model_prepared(control.ports, run, FACT)
    assert prepared is not None
    assert model_prepared(control.ports, prepared, FACT.model_copy(update={"model_sha256": "e" * 64})) is None
    opened = next_step(control.ports, prepared)
    assert opened is not None
    assert (opened.phase, opened.round, opened.model_sha256) == (RunPhase.RUNNING, 0, MODEL)


def test_a_run_that_is_to_pause_is_paused_instead() -> None:
    control = Control.empty()
    run = control.ledger.save(control.create(RunPhase.PREPARING).pausing().replace(model_sha256=MODEL), "run_pausing")
    paused = next_step(control.ports, run)
    assert paused is not None
    assert (paused.phase, paused.round) == (RunPhase.PAUSED, None)
