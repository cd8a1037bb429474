"""What control leaves in the artifact store, so that a run outlives its ledger: the run's record and the manifests."""

from __future__ import annotations

from typing import Any

from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.errors import NotFoundError, StaleVersionError, WrongPhaseError
from fedface_core.domain.round import Round
from fedface_core.domain.run import Run
from fedface_core.ports import Ports


def store(ports: Ports, run: Run, event: str, **changes: Any) -> Run:
    """Put the run's record, then `RunLedger.save` it: so at each turn that no round's end tells of.

    Where somebody else was faster, the record would tell of what never happened: it is set right before the error is raised.
    """
    _put(ports, run.model_copy(update={"version": run.version + 1}))
    try:
        return ports.ledger.save(run, event, **changes)
    except (StaleVersionError, NotFoundError):
        _set_right(ports, run.id)
        raise


def store_new(ports: Ports, run: Run) -> Run:
    """The same for a new run. Where its id is taken, the run that has it."""
    _put(ports, run)
    try:
        ports.ledger.create(run)
    except WrongPhaseError:
        _set_right(ports, run.id)
    return ports.ledger.load(run.id)


def _put(ports: Ports, run: Run) -> None:
    ports.artifacts.put(object_keys.run(run.id), run.model_dump_json(indent=1).encode())


def _set_right(ports: Ports, run_id: str) -> None:
    try:
        _put(ports, ports.ledger.load(run_id))
    except NotFoundError:  # deleted meanwhile
        ports.artifacts.delete(object_keys.run(run_id))


def put_manifest(ports: Ports, run: Run, ended: Round) -> None:
    """Put the manifest of a round that is about to be stored as ended."""
    manifest = Manifest(
        run=run.model_copy(update={"version": run.version + 1}),
        round=ended,
        accepted=dict(ports.ledger.accepted(run.id, ended.number)),
        failed=dict(ports.ledger.failed(run.id, ended.number)),
        enrolled=enrolled_clients(ports, run, ended),
    )
    ports.artifacts.put(object_keys.manifest(run.id, ended.number), manifest.model_dump_json(indent=1).encode())


def enrolled_clients(ports: Ports, run: Run, enrolment: Round | None = None) -> tuple[str, ...]:
    """The clients that have a class embedding: accepted at enrolment, and not refused when folded. None before that."""
    if enrolment is None or enrolment.number > 0:
        enrolment = ports.ledger.load_round(run.id, 0)
    if enrolment.aggregation is None:
        return ()
    refused = enrolment.aggregation.refused
    return tuple(client for client in ports.ledger.accepted(run.id, 0) if client not in refused)
