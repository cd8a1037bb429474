"""The actions of an operator on a run: create, clone, start, pause, resume, cancel, delete.

Each action is one change of the stored run, so it happens whole or not at all. `proceed` takes the steps that follow, now or
at the next sweep. A request that comes again with its idempotency key changes nothing, and returns the run as it is now.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import structlog

from fedface_control.actor import actor, by_actor, own_key
from fedface_control.compare_and_set import retry_if_stale
from fedface_control.halt import cancel
from fedface_control.operate.plan_check import require_suited
from fedface_control.operate.quota import DEFAULT_QUOTA, Quota
from fedface_control.phases import preparing
from fedface_control.proceed import proceed
from fedface_control.publish import publish_always, publish_never
from fedface_control.records import save_new_run, save_run
from fedface_control.upkeep.retention import delete_run as remove_run
from fedface_control.upkeep.retention import delete_unreadable_run
from fedface_core.contracts import object_keys
from fedface_core.contracts.schema_version import UNREADABLE, read_versioned
from fedface_core.domain.errors import (
    ArtifactMissingError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    WrongPhaseError,
)
from fedface_core.domain.ids import new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.cohort import DEFAULT_MINIMUM
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.round_phase import WAITS_FOR_CLIENTS
from fedface_core.domain.run import Run, RunPhase, shown_key
from fedface_core.ports import Ports
from fedface_core.signing.errors import SignatureError

log = structlog.get_logger(__name__)


def create_run(
    ports: Ports, plan: Plan, key: str | None = None, *, cloned_from: str | None = None, quota: Quota = DEFAULT_QUOTA
) -> Run:
    """Create a run of ``plan``, which is not started yet. Its id follows from the key if there is one: one key, one run.

    `InvalidInputError` if a text of the plan, such as the name, cannot be shown, if it is too large or would cost too much,
    if its strategy is for one process only, or if the key has created a run of another
    plan; `WrongPhaseError` if the key has created a run that the ledger has lost; `TooManyRunsError` if ``quota`` allows no
    more runs.
    """
    require_suited(plan)
    key = own_key(key)
    run_id = new_run_id() if key is None else f"run-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    existing = None if key is None else _created_before(ports, run_id, plan, key)
    if existing is not None:
        return existing
    quota.check(ports.ledger, plan)
    now = ports.clock.now()
    run = Run(
        id=run_id,
        plan=plan,
        correlation_id=uuid.uuid4().hex,
        created_at=now,
        cloned_from=cloned_from,
        owner=actor(),
    )
    stored = save_new_run(ports, run)
    if stored != run:  # of two requests at once, the other one was faster
        _require_plan(stored, plan, key)
        return stored
    log.info("run_created", run_id=run.id, correlation_id=run.correlation_id, plan=plan.name)
    least = plan.cohort.minimum_for(plan.split.clients)
    if least < DEFAULT_MINIMUM:
        log.warning("models_of_few_people_allowed", run_id=run.id, minimum=least)
    return run


def clone_run(
    ports: Ports, run_id: str, changes: Mapping[str, Any], key: str | None = None, *, quota: Quota = DEFAULT_QUOTA
) -> Run:
    """Create a run of another run's plan with ``changes``, a JSON merge patch (RFC 7396). It is not started yet.

    `NotFoundError` if there is no run ``run_id``; pydantic's `ValidationError` if the changed plan is not valid;
    `InvalidInputError`, `TooManyRunsError` and `WrongPhaseError` as `create_run` raises them.
    """
    original = ports.ledger.load(run_id)
    return create_run(ports, apply_merge_patch(original.plan, changes), key, cloned_from=run_id, quota=quota)


@retry_if_stale
def start_run(ports: Ports, run_id: str, key: str | None = None) -> Run:
    """Have the run prepared; its rounds follow. `WrongPhaseError` unless the run is `created`.

    `InvalidInputError` if the key was used for another request on this run.
    """
    key = own_key(key)
    run = ports.ledger.load(run_id)
    if run.has_granted(key, "start"):
        return run
    started = run.started(ports.clock.now()).with_request(key, "start")
    started = save_run(ports, started, "run_started", detail=by_actor())
    log.info("run_started", run_id=run_id, correlation_id=run.correlation_id)
    preparing.request(ports, started)
    return started


@retry_if_stale
def pause_run(ports: Ports, run_id: str, key: str | None = None, *, now: bool = False) -> Run:
    """Start nothing new: the run is `pausing` until the round in flight has finished, and then `paused`.

    With ``now`` the run is `paused` at once; a round that waits for clients is suspended, and still takes what they send.
    `WrongPhaseError` unless the run is `preparing` or `running`, or with ``now`` also `pausing`; `InvalidInputError` if the
    key was used for another request on this run.
    """
    action = "pause now" if now else "pause"
    key = own_key(key)
    run = ports.ledger.load(run_id)
    if run.has_granted(key, action):
        return run
    if not now:
        pausing = run.pausing().with_request(key, action)
        # If no round is in flight, the run is paused at once.
        proceed(ports, save_run(ports, pausing, "run_pausing", detail=by_actor()), publish_never)
        return ports.ledger.load(run_id)
    moment = ports.clock.now()
    paused = run.paused_at_once(moment).with_request(key, action)
    current = ports.ledger.load_round(run_id, run.round) if run.round is not None else None
    waiting = current if current and current.phase in WAITS_FOR_CLIENTS else None
    log.info("run_paused", run_id=run_id, correlation_id=run.correlation_id, round=run.round)
    suspended = waiting.suspended(moment) if waiting else None
    return save_run(ports, paused, "run_paused", changed=suspended, detail=by_actor())


@retry_if_stale
def resume_run(ports: Ports, run_id: str, key: str | None = None) -> Run:
    """Continue a paused run; the deadline of its suspended round moves by the length of the pause.

    `WrongPhaseError` unless the run is `paused` or `pausing`; `InvalidInputError` if the key was used for another request on
    this run.
    """
    key = own_key(key)
    run = ports.ledger.load(run_id)
    if run.has_granted(key, "resume"):
        return run
    moment = ports.clock.now()
    resumed = run.resumed(moment).with_request(key, "resume")
    current = ports.ledger.load_round(run_id, run.round) if run.round is not None else None
    suspended = current if current and current.phase is RoundPhase.SUSPENDED else None
    reopened = suspended.reopened(moment) if suspended else None
    resumed = save_run(ports, resumed, "run_resumed", changed=reopened, detail=by_actor())
    log.info("run_resumed", run_id=run_id, correlation_id=run.correlation_id)
    # The commands of a run that was only `pausing` are all under way.
    proceed(ports, resumed, publish_always if run.phase is RunPhase.PAUSED else publish_never)
    return ports.ledger.load(run_id)


@retry_if_stale
def cancel_run(ports: Ports, run_id: str, key: str | None = None) -> Run:
    """End the run now. Its artifacts stay; updates that are still under way are refused.

    `WrongPhaseError` if the run has ended; `InvalidInputError` if the key was used for another request on this run.
    """
    key = own_key(key)
    run = ports.ledger.load(run_id)
    if run.has_granted(key, "cancel"):
        return run
    return cancel(ports, run.with_request(key, "cancel"), detail=by_actor())


@retry_if_stale
def delete_run(ports: Ports, run_id: str, confirm: str) -> Run | None:
    """Mark the run as `deleting`, so that the sweep removes its artifacts and its records.

    If Redis takes no more writes, they are removed here: the sweep comes by a message, which a full Redis does not take. So
    is a run whose record cannot be read, whatever its phase is, since no sweep sees it; then the answer is None.

    `InvalidInputError` unless ``confirm`` is the run's id; `WrongPhaseError` if the run has started and not ended.
    """
    if not ports.ledger.known_runs([run_id]):
        raise NotFoundError(f"there is no run {run_id}")
    if confirm != run_id:
        raise InvalidInputError(
            f"deleting {run_id} removes its artifacts and its records for good; to confirm, send ?confirm={run_id}"
        )
    try:
        run = ports.ledger.load(run_id)
    except UNREADABLE as error:
        log.warning("unreadable_run_deleted", run_id=run_id, reason=str(error))
        delete_unreadable_run(ports, run_id)
        return None
    if run.phase is RunPhase.DELETING:
        return run
    deleting = run.deleting()
    log.info("run_deleting", run_id=run_id, correlation_id=run.correlation_id)
    stored = save_run(ports, deleting, "run_deleting", detail=by_actor())
    try:
        ports.ledger.ping()
    except UnavailableError as error:
        log.warning("run_deleted_at_once", run_id=run_id, reason=str(error))
        remove_run(ports, stored)
    return stored


def _created_before(ports: Ports, run_id: str, plan: Plan, key: str) -> Run | None:
    """The run that this key has created, or None. `InvalidInputError` if it is a run of another plan.

    `SignatureError` if only the artifact store has the run, and its record there is not to be believed.
    `WrongPhaseError` if the run was deleted, or if only the artifact store has it: creating it anew would overwrite the
    record that it is restored from.
    """
    # The store is read before the ledger, so that a run which another process creates meanwhile does not seem lost.
    record = None
    not_believed = None
    try:
        record = _load_record(ports, run_id)
    except SignatureError as error:
        not_believed = error
    try:
        run = ports.ledger.load(run_id)
    except NotFoundError:
        if not_believed is not None:
            raise not_believed from None
        if ports.ledger.was_deleted(run_id):
            raise WrongPhaseError(
                f"the idempotency key {shown_key(key)!r} created {run_id}, which was deleted; use a new key"
            ) from None
        if record is None:
            return None
        _require_plan(record, plan, key)
        # The record of a run in `created` is what an interrupted creation has left: the run is created now.
        if record.phase is RunPhase.CREATED:
            return None
        raise WrongPhaseError(
            f"the idempotency key {shown_key(key)!r} created {run_id}, which the ledger has lost and the artifact store "
            f"still has; restore it with: fedface run restore {run_id}"
        ) from None
    _require_plan(run, plan, key)
    return run


def _load_record(ports: Ports, run_id: str) -> Run | None:
    try:
        return read_versioned(Run, ports.artifacts.get(object_keys.run(run_id)))
    except ArtifactMissingError:
        return None


def _require_plan(run: Run, plan: Plan, key: str | None) -> None:
    if run.plan != plan:
        raise InvalidInputError(
            f"the idempotency key {shown_key(key or '')!r} created {run.id}, which has another plan; use a new key"
        )
