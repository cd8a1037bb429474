"""What control leaves in the artifact store so that a run outlives the ledger: the run's record and its rounds' manifests.

Each function ``save_…`` first puts the object into the artifact store and then saves the change in the ledger.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from fedface_control.computed_with import computed_with
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.errors import NotFoundError, StaleVersionError, WrongPhaseError
from fedface_core.domain.round import ENDED_ROUND, Round, RoundState
from fedface_core.domain.round_kind import ENROLMENT_ROUND, RoundKind
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import Ports
from fedface_core.runtime.traces import trace_round

Detail = Mapping[str, str | int | float | None]
"""What an event of the audit trail says beside its name."""

UPDATES_PER_READ = 500


def save_run(ports: Ports, run: Run, event: str, *, changed: Round | None = None, detail: Detail | None = None) -> Run:
    """Put the record of a changed run, then save the run and the round that it changed. Returns the run as stored.

    This is for changes that no manifest tells of, such as a pause. `StaleVersionError` if another process was faster,
    `NotFoundError` if the run was deleted: then the record is made equal to the ledger again. It stays if the ledger has
    lost the run.
    """
    _put_run_record(ports, run.next_version())
    try:
        if changed is not None and changed.phase in ENDED_ROUND:
            return save_ended_round(ports, run, event, changed, detail)
        return ports.ledger.save(run, event, changed=changed, detail=detail)
    except (StaleVersionError, NotFoundError):
        _correct_run_record(ports, run.id)
        raise


def save_new_run(ports: Ports, run: Run) -> Run:
    """Claim the weights that a new run starts from, put its record, then create it in the ledger. Returns the stored run.

    If the ledger has a run with this id already, that run is returned, and its record is put again. `UnavailableError` if
    the ledger has no room for a new run; then nothing was put. `NotFoundError` if the run with this id was just deleted.
    """
    ports.ledger.require_room()
    weights = run.plan.model.stored_weights
    if weights is not None:
        ports.artifacts.put(object_keys.claim(weights, run.id), b"")
    _put_run_record(ports, run)
    try:
        ports.ledger.create(run)
    except WrongPhaseError:
        _correct_run_record(ports, run.id)
    return ports.ledger.load(run.id)


def save_ended_round(ports: Ports, run: Run, event: str, ended: Round, detail: Detail | None = None) -> Run:
    """Put the manifest of an ended round, then save the round and its run. Returns the run as stored.

    `StaleVersionError` if another process was faster. If that process has ended the round, its manifest is put again, since
    ours has replaced it. `NotFoundError` if the run was deleted: then the manifest is removed. It stays if the ledger has
    lost the run.
    """
    _put_manifest(ports, run.next_version(), ended)
    try:
        saved = ports.ledger.save(run, event, changed=ended, detail=detail)
    except (StaleVersionError, NotFoundError):
        _correct_manifest(ports, run, ended.number)
        raise
    ended_at = ended.finished_at or ports.clock.now()
    trace_round(run.id, run.correlation_id, ended.number, ended.opened_at, ended_at, ended.phase)
    return saved


def accepted_updates(ports: Ports, run_id: str, number: int) -> Iterator[tuple[str, AcceptedUpdate]]:
    """The accepted updates of a closed round, each with its client, in client order.

    They are read a few hundred at a time, since all of them together would take megabytes.
    """
    clients = ports.ledger.accepted_clients(run_id, number)
    for first in range(0, len(clients), UPDATES_PER_READ):
        yield from ports.ledger.accepted(run_id, number, clients[first : first + UPDATES_PER_READ]).items()


def enrolled_clients(ports: Ports, run: Run, enrolment: RoundState | None = None) -> tuple[str, ...]:
    """The clients that have a class embedding, in client order: accepted at enrolment, and not refused when folded.

    ``enrolment`` is the enrolment round if the caller has it, and is loaded otherwise. Nobody is enrolled before that round
    is aggregated.
    """
    if enrolment is None or enrolment.kind is RoundKind.TRAINING:
        enrolment = ports.ledger.round_summary(run.id, ENROLMENT_ROUND).round
    if enrolment.aggregation is None:
        return ()
    refused = enrolment.aggregation.refused
    return tuple(client for client in ports.ledger.accepted_clients(run.id, ENROLMENT_ROUND) if client not in refused)


def _put_run_record(ports: Ports, run: Run) -> None:
    ports.artifacts.put(object_keys.run(run.id), run.model_dump_json(indent=1).encode())


def _correct_run_record(ports: Ports, run_id: str) -> None:
    """Put the record of the run that the ledger has, or remove the record if the run was deleted.

    The run may change or be deleted between a look at the ledger and the put. So the ledger is looked at again after it.
    """
    put: Run | None = None
    try:
        while (stored := ports.ledger.load(run_id)) != put:
            _put_run_record(ports, stored)
            put = stored
    except NotFoundError:
        if not _is_lost(ports, run_id):
            ports.artifacts.delete(object_keys.run(run_id))


def _correct_manifest(ports: Ports, run: Run, number: int) -> None:
    """Put the manifest of the ended round that the ledger has, or remove the manifest if this life of the run was deleted.

    As for the record, the ledger is looked at again after each change.
    """
    key = object_keys.manifest(run.id, number)
    seen: tuple[str, Round] | None = None
    try:
        while True:
            stored = ports.ledger.load(run.id)
            current = ports.ledger.load_round(run.id, number)
            if (stored.correlation_id, current) == seen:
                return
            seen = (stored.correlation_id, current)
            if current.phase in ENDED_ROUND:
                _put_manifest(ports, stored.replace(round=number), current)
            elif stored.correlation_id != run.correlation_id:
                ports.artifacts.delete(key)
    except NotFoundError:
        if not _is_lost(ports, run.id):
            ports.artifacts.delete(key)


def _is_lost(ports: Ports, run_id: str) -> bool:
    """Whether the ledger has forgotten the run: it neither has it nor remembers its deletion."""
    return not ports.ledger.known_runs([run_id]) and not ports.ledger.was_deleted(run_id)


def _put_manifest(ports: Ports, run: Run, ended: Round) -> None:
    """The accepted updates are most of a manifest, so they are written as they are read, a few hundred at a time."""
    failed = dict(ports.ledger.failed(run.id, ended.number))
    enrolled = enrolled_clients(ports, run, ended)
    computed = computed_with(ports, run.plan.compute, ended)
    head = Manifest(run=run, round=ended, accepted={}, failed=failed, computed=computed, enrolled=enrolled)
    data = io.BytesIO()
    data.write(head.model_dump_json(exclude={"accepted"}).removesuffix("}").encode() + b',"accepted":{')
    separator = b"\n"
    for client, update in accepted_updates(ports, run.id, ended.number):
        data.write(separator + f'"{client}":{update.model_dump_json()}'.encode())
        separator = b",\n"
    data.write(b"}}")
    ports.artifacts.put(object_keys.manifest(run.id, ended.number), data.getvalue())
