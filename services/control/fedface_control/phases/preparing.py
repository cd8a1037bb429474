"""A run is prepared: the aggregator puts its initial model version into the store. Then enrolment opens."""

from __future__ import annotations

from datetime import datetime

from fedface_control.halt import pause_if_requested
from fedface_control.phases.open import open_enrolment
from fedface_core.domain.commands import PrepareModel
from fedface_core.domain.facts import ModelPrepared
from fedface_core.domain.run import Run
from fedface_core.ports import Ports


def next_step(ports: Ports, run: Run) -> Run | None:
    """Open enrolment once the initial model is stored, or pause if the operator has asked for that. Else None."""
    if run.model_sha256 is None:
        return None
    return pause_if_requested(ports, run) or open_enrolment(ports, run)


def requested_at(run: Run) -> datetime:
    """When the initial model was last requested, in UTC."""
    assert run.prompted_at is not None, "set when the run started"
    return run.prompted_at


def request_model(ports: Ports, run: Run) -> None:
    """Ask the aggregator for the run's initial model version."""
    ports.publisher.publish(PrepareModel(run_id=run.id), correlation_id=run.correlation_id)


def request_model_again(ports: Ports, run: Run) -> None:
    """Ask the aggregator once more for the initial model. The moment is stored first, so that not every sweep asks."""
    request_model(ports, ports.ledger.save(run.with_model_requested(ports.clock.now()), "model_asked_for_again"))


def model_prepared(ports: Ports, run: Run, fact: ModelPrepared) -> Run | None:
    """Record the initial model version, and return the run as stored. None if one is recorded already."""
    if run.model_sha256 is not None:
        return None
    return ports.ledger.save(run.with_model(fact.model_sha256), "model_prepared")
