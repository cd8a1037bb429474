"""A run is prepared: its initial model version and its identity list come into the store. Then enrolment opens.

The aggregator makes the model. A client worker lists the identities, because a client worker always has the photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fedface_control.halt import pause_if_requested
from fedface_control.phases.open import open_enrolment
from fedface_control.records import save_run
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT, device_queue
from fedface_core.domain.commands import Command, ListIdentities, PrepareModel
from fedface_core.domain.facts import IdentitiesListed, ModelPrepared
from fedface_core.domain.run import Run
from fedface_core.ports import Ports


def next_step(ports: Ports, run: Run) -> Run | None:
    """Open enrolment once the run is prepared, or pause if the operator has asked for that. Else None."""
    if not run.is_prepared:
        return None
    return pause_if_requested(ports, run) or open_enrolment(ports, run)


def requested_at(run: Run) -> datetime:
    """When the preparation was last requested, in UTC."""
    assert run.prompted_at is not None, "set when the run started"
    return run.prompted_at


def work_queue(run: Run) -> str:
    """The queue of a service that the preparation waits for."""
    return AGGREGATOR if run.model_sha256 is None else device_queue(CLIENT, run.plan.compute.device)


def commands(run: Run) -> Sequence[Command]:
    """What the preparation still asks of the other services. A pure function."""
    lacking: list[Command] = []
    if run.model_sha256 is None:
        lacking.append(PrepareModel(run_id=run.id))
    if run.identity_list_sha256 is None:
        lacking.append(ListIdentities(run_id=run.id, device=run.plan.compute.device))
    return lacking


def request(ports: Ports, run: Run) -> None:
    """Ask the other services for what the run still lacks."""
    ports.publisher.publish_all(commands(run), correlation_id=run.correlation_id)


def request_again(ports: Ports, run: Run) -> None:
    """Ask once more for what the run still lacks. The moment is stored first, so that not every sweep asks."""
    request(ports, ports.ledger.save(run.with_preparation_requested(ports.clock.now()), "preparation_asked_for_again"))


def model_prepared(ports: Ports, run: Run, fact: ModelPrepared) -> Run | None:
    """Record the initial model version, and return the run as stored. None if one is recorded already."""
    if run.model_sha256 is not None:
        return None
    return ports.ledger.save(run.with_model(fact.model_sha256), "model_prepared")


def identities_listed(ports: Ports, run: Run, fact: IdentitiesListed) -> Run | None:
    """Record the identity list, and return the run as stored.

    None if one is recorded already, a round has opened, or the list is that of a deleted run with this id.
    The run's record is put too: a run that is restored before its enrolment has ended must keep its list, because the store
    may have updates of the people on it.
    """
    if run.identity_list_sha256 is not None or run.round is not None or fact.correlation_id != run.correlation_id:
        return None
    return save_run(ports, run.with_identity_list(fact.identity_list_sha256), "identities_listed")
