"""Rebuilding the ledger's records of a run from what control left in the artifact store.

The run's state is in its record or in one of its manifests, whichever is newest; the manifests say how each round ended. A
round that was open when the ledger was lost is opened anew with the same cohort: clients find the updates that they had put.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import structlog

from fedface_control.actor import by_actor
from fedface_control.compare_and_set import retry_if_stale
from fedface_control.upkeep.named_artifacts import manifests, read_record, read_run_record, restorable_runs
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.contracts.schema_version import UNREADABLE
from fedface_core.domain.errors import (
    ArtifactMissingError,
    DamagedObjectError,
    NotFoundError,
    UnknownSchemaError,
    WrongPhaseError,
)
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.round_kind import ENROLMENT_ROUND, RoundKind
from fedface_core.domain.round_phase import WAITS_FOR_CLIENTS
from fedface_core.domain.run import ALLOWED, ENDED, Run, RunPhase
from fedface_core.ports import EndedRound, Ports
from fedface_core.signing.errors import SignatureError

log = structlog.get_logger(__name__)


def restore_run(ports: Ports, run_id: str) -> Run:
    """Restore a run that the ledger has lost, or of which it has an older state than the store, and return it.

    `WrongPhaseError` if the ledger has the run as it is in the store; `NotFoundError` if the store has no record of it;
    `DamagedObjectError` or `UnknownSchemaError` if its record or a manifest cannot be read; `SignatureError` if control has
    not signed one of them.
    """
    ended = [*manifests(ports.artifacts, run_id)]
    newest_version = max((done.run.version for done in ended), default=0)
    if ended and ended[0].round.kind is RoundKind.TRAINING:
        ended = []  # enrolment of an asynchronous run was not scored yet; without its manifest the run begins anew
    run = _newest_state(ports, run_id, ended)
    run = run.replace(version=max(run.version, newest_version))  # else a manifest that is left out would seem newer
    rounds = [EndedRound(done.round, done.accepted, done.failed) for done in ended]
    ports.ledger.restore(run, rounds, by_actor(), replaces=_older_version(ports, run_id))
    log.warning("run_restored", run_id=run_id, correlation_id=run.correlation_id, phase=run.phase, rounds=len(ended))
    return run


def restore_all(ports: Ports) -> tuple[list[Run], dict[str, str]]:
    """Restore every run that the store has and the ledger has lost.

    Returns the restored runs, and for each run that could not be restored (id → reason) why: its record or a manifest is
    missing, damaged or of another version of FedFace.
    """
    in_store = restorable_runs(ports.artifacts.keys(object_keys.RUNS))
    restored = []
    refused = {}
    for run_id in sorted(in_store - ports.ledger.known_runs(in_store)):
        try:
            restored.append(restore_run(ports, run_id))
        except WrongPhaseError:
            continue  # another process has restored it since, or it was deleted
        except (NotFoundError, UnknownSchemaError, DamagedObjectError) as error:
            log.warning("run_not_restored", run_id=run_id, reason=str(error))
            refused[run_id] = str(error)
    return restored, refused


def pause_older_runs(ports: Ports) -> list[str]:
    """Pause every run of which the store knows a later round than the ledger, and return the ids of these runs.

    Redis has come back from an older copy. If the run went on, it would repeat its rounds without the updates that were
    removed since, and replace the manifests from which it can be restored.
    """
    paused = []
    for run in ports.ledger.active_runs():
        try:
            if _pause_if_older(ports, run.id):
                paused.append(run.id)
        except (NotFoundError, SignatureError, *UNREADABLE) as error:  # deleted meanwhile, or there is no telling
            log.warning("run_unreadable", run_id=run.id, reason=str(error))
    return paused


@retry_if_stale
def _pause_if_older(ports: Ports, run_id: str) -> bool:
    """Pause the run in the ledger alone, since its record in the store is newer. False if it need not be paused."""
    run = ports.ledger.load(run_id)
    later = _later_round(ports, run) if run.phase in ALLOWED["pause now"] else None
    if later is None:
        return False
    now = ports.clock.now()
    current = None if run.round is None else ports.ledger.load_round(run_id, run.round)
    suspended = current.suspended(now) if current and current.phase in WAITS_FOR_CLIENTS else None
    because = (
        f"the store has round {later} of this run, which the ledger does not know: Redis has come back from an older copy; "
        f"to go on from the store: fedface run restore {run_id}"
    )
    log.error("run_paused", run_id=run_id, correlation_id=run.correlation_id, round=run.round, reason=because)
    ports.ledger.save(run.paused_at_once(now), "run_paused", changed=suspended, detail={"because": because})
    return True


def _older_version(ports: Ports, run_id: str) -> int | None:
    """The version of the run that the ledger has, if that is of before a round which the store knows."""
    with suppress(NotFoundError, *UNREADABLE):
        stored = ports.ledger.load(run_id)
        if _later_round(ports, stored) is not None:
            return stored.version
    return None


def _later_round(ports: Ports, run: Run) -> int | None:
    """The round after the newest one that the ledger knows, if the store has its manifest: the ledger has forgotten it.

    None for a run that is as the store has it. That control put a manifest and died before it told the ledger is no such
    loss: the ledger knows that round.
    """
    number = ENROLMENT_ROUND if run.round is None else run.round + 1
    try:
        manifest = read_record(ports.artifacts, Manifest, object_keys.manifest(run.id, number))
    except ArtifactMissingError:
        return None
    is_later = manifest.run.correlation_id == run.correlation_id and manifest.run.version > run.version
    return number if is_later else None


def _newest_state(ports: Ports, run_id: str, ended: Sequence[Manifest]) -> Run:
    """The run as last stored, right after its newest ended round."""
    try:
        record = read_run_record(ports.artifacts, run_id)
    except ArtifactMissingError:
        raise NotFoundError(
            f"the artifact store has no record of {run_id}, so it cannot be restored; it would be {object_keys.run(run_id)}"
        ) from None
    for done in ended:
        if done.run.correlation_id != record.correlation_id:
            raise SignatureError(
                f"{object_keys.manifest(run_id, done.round.number)} is of another life of {run_id} than its record: "
                "it was put back"
            )
    if not ended:
        return _before_enrolment(record)
    newest = max((done.run for done in ended), key=lambda run: run.version)
    if record.version >= newest.version:
        newest = _with_later_changes(newest, record)
    finished = [done.round for done in ended if done.round.phase is RoundPhase.FINISHED]
    results = finished[-1].aggregation if finished else None
    return newest.replace(
        round=ended[-1].round.number,
        finished_rounds=sum(done.kind is RoundKind.TRAINING for done in finished),
        base_round=finished[-1].number if finished else None,
        model_sha256=results.model_sha256 if results else newest.model_sha256,
        evaluating=(),
        version=max(record.version, newest.version),
    )


def _before_enrolment(record: Run) -> Run:
    """The run before its first round: its initial model is prepared again, with equal bytes, and enrolment opens anew.

    The identity list stays: updates that clients have put already are of the people on it.
    """
    if record.phase in ENDED:
        return record.replace(round=None)  # nothing is known of its enrolment
    phase = RunPhase.PREPARING if record.phase is RunPhase.RUNNING else record.phase
    return record.replace(phase=phase, round=None, model_sha256=None, prompted_at=record.started_at)


def _with_later_changes(newest: Run, record: Run) -> Run:
    """The run of the newest manifest with what the run's record says of later changes: it was paused, resumed or ended.

    If record and manifest have the same version, an operator was faster than the end of a round: the record is of the change
    that the ledger has stored, and the manifest of one that it has refused.
    """
    return newest.replace(
        phase=record.phase,
        paused_at=record.paused_at,
        paused_seconds=record.paused_seconds,
        requests=record.requests,
        ended_at=record.ended_at,
        failure=record.failure,
        stopped_because=record.stopped_because,
    )
