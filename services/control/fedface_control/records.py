"""What control leaves in the artifact store, so that a run outlives its ledger: the run's record and the manifests."""

from __future__ import annotations

from collections.abc import Mapping

from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.errors import StaleVersionError
from fedface_core.domain.round import ENDED_ROUND, Round
from fedface_core.domain.run import Run
from fedface_core.ports import Ports


def put_run(ports: Ports, run: Run) -> None:
    """Put the run as it will be stored next. Called before the ledger is told, at each turn that no round's end tells of."""
    about_to_be = run.model_copy(update={"version": run.version + 1})
    ports.artifacts.put(object_keys.run(run.id), about_to_be.model_dump_json(indent=1).encode())


def save_ended(ports: Ports, run: Run, event: str, ended: Round, detail: Mapping[str, str] | None = None) -> Run:
    """Put the manifest of a round that has ended, then store the round and its run."""
    _put_manifest(ports, run.model_copy(update={"version": run.version + 1}), ended)
    try:
        return ports.ledger.save(run, event, changed=ended, detail=detail)
    except StaleVersionError:
        # Whoever was faster may have ended the round otherwise, and our manifest may have replaced theirs.
        stored = ports.ledger.load_round(run.id, ended.number)
        if stored.phase in ENDED_ROUND:
            _put_manifest(ports, ports.ledger.load(run.id).model_copy(update={"round": ended.number}), stored)
        raise


def _put_manifest(ports: Ports, run: Run, ended: Round) -> None:
    manifest = Manifest(
        run=run,
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
