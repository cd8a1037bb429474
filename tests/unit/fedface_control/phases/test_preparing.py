"""A run is prepared: its initial model and its identity list are requested until they are there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fedface_control.phases.preparing import (
    commands,
    identities_listed,
    model_prepared,
    next_step,
    request_again,
    requested_at,
    work_queue,
)
from fedface_core.contracts import object_keys
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT
from fedface_core.domain.commands import ListIdentities, PrepareModel
from fedface_core.domain.facts import IdentitiesListed, ModelPrepared
from fedface_core.domain.run import Run, RunPhase
from support.control_rounds import MODEL, NOW, RUN, Control

PREPARED = ModelPrepared(run_id=RUN, model_sha256=MODEL)
LISTED = IdentitiesListed(run_id=RUN, correlation_id="abc", identity_list_sha256="b" * 64)


def test_the_moment_of_a_repeated_request_is_stored() -> None:
    control = Control.empty()
    run = control.create(RunPhase.PREPARING)
    assert requested_at(run) == NOW
    control.clock.advance(31)
    request_again(control.ports, run)
    assert requested_at(control.ledger.load(RUN)) == NOW + timedelta(seconds=31)
    assert control.publisher.commands == [PrepareModel(run_id=RUN), ListIdentities(run_id=RUN)]


def test_only_what_the_run_lacks_is_asked_for() -> None:
    control = Control.empty()
    run = control.create(RunPhase.PREPARING)
    assert work_queue(run) == AGGREGATOR
    with_model = run.with_model(MODEL)
    assert commands(with_model) == [ListIdentities(run_id=RUN)]
    assert work_queue(with_model) == CLIENT
    assert commands(run.with_identity_list("b" * 64)) == [PrepareModel(run_id=RUN)]
    assert commands(with_model.with_identity_list("b" * 64)) == []


def test_enrolment_opens_once_both_are_there_and_the_first_of_each_counts() -> None:
    control = Control.empty()
    run = control.create(RunPhase.PREPARING)
    assert next_step(control.ports, run) is None
    with_model = model_prepared(control.ports, run, PREPARED)
    assert with_model is not None
    assert model_prepared(control.ports, with_model, PREPARED.model_copy(update={"model_sha256": "e" * 64})) is None
    assert next_step(control.ports, with_model) is None, "nobody knows yet who the clients are"
    prepared = identities_listed(control.ports, with_model, LISTED)
    assert prepared is not None
    assert identities_listed(control.ports, prepared, LISTED.model_copy(update={"identity_list_sha256": "e" * 64})) is None
    opened = next_step(control.ports, prepared)
    assert opened is not None
    assert (opened.phase, opened.round, opened.model_sha256) == (RunPhase.RUNNING, 0, MODEL)
    assert control.ledger.load_round(RUN, 0).identity_list_sha256 == opened.identity_list_sha256 == "b" * 64


def test_the_runs_record_keeps_the_identity_list() -> None:
    control = Control.empty()
    listed = identities_listed(control.ports, control.create(RunPhase.PREPARING), LISTED)
    assert Run.model_validate_json(control.artifacts.get(object_keys.run(RUN))) == listed


@pytest.mark.parametrize("why", ["of a deleted run", "of a run without a list, whose rounds have begun"])
def test_a_list_that_is_not_for_the_run_does_not_count(why: str) -> None:
    """A deleted run that is created again with its key has its old id. A run of an older version has rounds and no list."""
    control = Control.empty()
    run = control.create(RunPhase.PREPARING) if why == "of a deleted run" else control.open()
    fact = LISTED.model_copy(update={"correlation_id": "its own"}) if why == "of a deleted run" else LISTED
    assert identities_listed(control.ports, run, fact) is None
    assert control.ledger.load(RUN) == run


def test_a_run_that_is_to_pause_is_paused_instead() -> None:
    control = Control.empty()
    pausing = control.create(RunPhase.PREPARING).pausing().with_model(MODEL).with_identity_list("b" * 64)
    run = control.ledger.save(pausing, "run_pausing")
    paused = next_step(control.ports, run)
    assert paused is not None
    assert (paused.phase, paused.round) == (RunPhase.PAUSED, None)
