"""What control leaves in the artifact store, so that a run outlives its ledger: the run's record and the manifests."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.errors import NotFoundError, StaleVersionError, WrongPhaseError
from fedface_core.domain.round import ENDED_ROUND, Round, RoundState
from fedface_core.domain.round_kind import ENROLMENT_ROUND, RoundKind
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import Ports

Detail = Mapping[str, str | int | float | None]

_UPDATES_AT_ONCE = 500


def store(ports: Ports, run: Run, event: str, *, changed: Round | None = None, detail: Detail | None = None) -> Run:
    """Put the run's record, then `RunLedger.save` it: so at each turn that no round's end tells of.

    Where somebody else was faster, the record would tell of what never happened: it is set right before the error is raised.
    """
    _put_run(ports, run.next_version())
    try:
        if changed is not None and changed.phase in ENDED_ROUND:
            return save_ended(ports, run, event, changed, detail)
        return ports.ledger.save(run, event, changed=changed, detail=detail)
    except (StaleVersionError, NotFoundError):
        _set_right(ports, run.id)
        raise


def store_new(ports: Ports, run: Run) -> Run:
    """The same for a new run. Where its id is taken, the run that has it."""
    _put_run(ports, run)
    try:
        ports.ledger.create(run)
    except WrongPhaseError:
        _set_right(ports, run.id)
    return ports.ledger.load(run.id)


def save_ended(ports: Ports, run: Run, event: str, ended: Round, detail: Detail | None = None) -> Run:
    """Put the manifest of a round that has ended, then save the round and its run.

    Whoever was faster may have ended the round otherwise, and our manifest have replaced theirs: then it is set right.
    """
    _put_manifest(ports, run.next_version(), ended)
    try:
        return ports.ledger.save(run, event, changed=ended, detail=detail)
    except StaleVersionError:
        stored = ports.ledger.load_round(run.id, ended.number)
        if stored.phase in ENDED_ROUND:
            _put_manifest(ports, ports.ledger.load(run.id).replace(round=ended.number), stored)
        raise


def _put_run(ports: Ports, run: Run) -> None:
    ports.artifacts.put(object_keys.run(run.id), run.model_dump_json(indent=1).encode())


def _set_right(ports: Ports, run_id: str) -> None:
    try:
        _put_run(ports, ports.ledger.load(run_id))
    except NotFoundError:  # deleted meanwhile
        ports.artifacts.delete(object_keys.run(run_id))


def _put_manifest(ports: Ports, run: Run, ended: Round) -> None:
    """The accepted updates are most of a manifest, so they are written as they are read, a few hundred at a time."""
    failed, enrolled = dict(ports.ledger.failed(run.id, ended.number)), enrolled_clients(ports, run, ended)
    head = Manifest(run=run, round=ended, accepted={}, failed=failed, enrolled=enrolled)
    data = io.BytesIO()
    data.write(head.model_dump_json(exclude={"accepted"}).removesuffix("}").encode() + b',"accepted":{')
    separator = b"\n"
    for client, update in accepted_updates(ports, run.id, ended.number):
        data.write(separator + f'"{client}":{update.model_dump_json()}'.encode())
        separator = b",\n"
    data.write(b"}}")
    ports.artifacts.put(object_keys.manifest(run.id, ended.number), data.getvalue())


def accepted_updates(ports: Ports, run_id: str, number: int) -> Iterator[tuple[str, AcceptedUpdate]]:
    """The updates of a closed round, in client order, read a few hundred at a time: all would take megabytes."""
    clients = ports.ledger.accepted_clients(run_id, number)
    for first in range(0, len(clients), _UPDATES_AT_ONCE):
        yield from ports.ledger.accepted(run_id, number, clients[first : first + _UPDATES_AT_ONCE]).items()


def enrolled_clients(ports: Ports, run: Run, enrolment: RoundState | None = None) -> tuple[str, ...]:
    """The clients that have a class embedding: accepted at enrolment, and not refused when folded. None before that."""
    if enrolment is None or enrolment.kind is RoundKind.TRAINING:
        enrolment = ports.ledger.round_summary(run.id, ENROLMENT_ROUND).round
    if enrolment.aggregation is None:
        return ()
    refused = enrolment.aggregation.refused
    return tuple(client for client in ports.ledger.accepted_clients(run.id, ENROLMENT_ROUND) if client not in refused)
