"""A run is prepared: the aggregator puts its initial model version into the store. Then enrolment opens."""

from __future__ import annotations

from datetime import datetime

from fedface_control.halt import pause_if_asked
from fedface_control.phases.open import open_enrolment
from fedface_core.domain.commands import PrepareModel
from fedface_core.domain.facts import ModelPrepared
from fedface_core.domain.run import Run
from fedface_core.ports import Ports


def next_step(ports: Ports, run: Run) -> Run | None:
    """Open enrolment once the model is there, or pause if the operator has asked for that. None while it is awaited."""
    if run.model_sha256 is None:
        return None
    return pause_if_asked(ports, run) or open_enrolment(ports, run)


def asked_at(run: Run) -> datetime:
    """When the initial model was last asked for."""
    assert run.prompted_at is not None, "set when the run started"
    return run.prompted_at


def ask(ports: Ports, run: Run) -> None:
    """Ask the aggregator for the run's initial model version."""
    ports.publisher.publish(PrepareModel(run_id=run.id), correlation_id=run.correlation_id)


def ask_again(ports: Ports, run: Run) -> None:
    """Ask for the initial model once more. The moment is stored first, so that not every sweep asks."""
    ask(ports, ports.ledger.save(run.with_model_requested(ports.clock.now()), "model_asked_for_again"))


def model_prepared(ports: Ports, run: Run, fact: ModelPrepared) -> Run | None:
    """Record the initial model version. None if one is recorded already."""
    if run.model_sha256 is not None:
        return None
    return ports.ledger.save(run.with_model(fact.model_sha256), "model_prepared")
