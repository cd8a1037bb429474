"""What an operator asks of a run: create, clone, start, pause, resume, cancel, delete.

Each is one change of the stored run, so it happens whole or not at all; what follows from it is found by `proceed`, now
or by the sweep. Asked again with the same idempotency key, it answers with the run as it stands and changes nothing.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import structlog

from fedface_control.compare_and_set import decide_again
from fedface_control.halt import cancel
from fedface_control.phases import preparing
from fedface_control.proceed import proceed
from fedface_control.publish import publish_always, publish_never
from fedface_control.records import store, store_new
from fedface_core.contracts import object_keys
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError, NotFoundError, WrongPhaseError
from fedface_core.domain.ids import new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_core.domain.plan.strategy import IN_PROCESS
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def create_run(ports: Ports, plan: Plan, key: str | None = None, *, cloned_from: str | None = None) -> Run:
    """A new run of ``plan``, not started yet. With a key its id follows from the key, so that one key makes one run.

    `InvalidInputError` where the plan is for one process only, by its strategy or its vectorised clients.
    """
    if plan.strategy.name in IN_PROCESS:
        raise InvalidInputError(
            f"strategy: {plan.strategy.name!r} is not for services, which never pool photographs nor score a client's own "
            "model; simulate it in one process, or choose another strategy"
        )
    if plan.local_training.vectorised_clients > 1:
        raise InvalidInputError(
            "local_training.vectorised_clients is for a simulation in one process: among services it depends on what fails "
            "who trains beside whom, and with it how results are rounded; leave it out"
        )
    run_id = new_run_id() if key is None else f"run-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    known = _known(ports, run_id, plan, key)
    if known is not None:
        return known
    now = ports.clock.now()
    run = Run(id=run_id, plan=plan, correlation_id=uuid.uuid4().hex, created_at=now, cloned_from=cloned_from)
    stored = store_new(ports, run)
    if stored != run:
        return _same_plan(stored, plan, key)  # two requests at once: the other was faster
    log.info("run_created", run_id=run.id, correlation_id=run.correlation_id, plan=plan.name)
    return run


def clone_run(ports: Ports, run_id: str, changes: Mapping[str, Any], key: str | None = None) -> Run:
    """A new run of the same plan with ``changes``, an RFC 7396 merge patch. `ValidationError` where that is no plan."""
    original = ports.ledger.load(run_id)
    return create_run(ports, apply_merge_patch(original.plan, changes), key, cloned_from=run_id)


@decide_again
def start_run(ports: Ports, run_id: str, key: str | None = None) -> Run:
    """Have the run's initial model prepared; its rounds follow. `WrongPhaseError` unless it is `created`."""
    run = ports.ledger.load(run_id)
    if run.has_granted(key, "start"):
        return run
    started = run.started(ports.clock.now()).with_request(key, "start")
    started = store(ports, started, "run_started")
    log.info("run_started", run_id=run_id, correlation_id=run.correlation_id)
    preparing.ask(ports, started)
    return started


@decide_again
def pause_run(ports: Ports, run_id: str, key: str | None = None, *, now: bool = False) -> Run:
    """Start nothing new: the run is `pausing` until the round in flight has finished, and then `paused`.

    With ``now`` it is `paused` at once; its open round is kept as it is, and takes late updates. `WrongPhaseError`
    unless the run is `preparing` or `running`, or with ``now`` also `pausing`.
    """
    action = "pause now" if now else "pause"
    run = ports.ledger.load(run_id)
    if run.has_granted(key, action):
        return run
    if not now:
        pausing = run.pausing().with_request(key, action)
        # Between two rounds nothing is in flight, and it is paused at once.
        proceed(ports, store(ports, pausing, "run_pausing"), publish_never)
        return ports.ledger.load(run_id)
    moment = ports.clock.now()
    paused = run.paused_at_once(moment).with_request(key, action)
    current = ports.ledger.load_round(run_id, run.round) if run.round is not None else None
    opened = current if current and current.phase is RoundPhase.OPEN else None
    log.info("run_paused", run_id=run_id, correlation_id=run.correlation_id, round=run.round)
    return store(ports, paused, "run_paused", changed=opened.suspended(moment) if opened else None)


@decide_again
def resume_run(ports: Ports, run_id: str, key: str | None = None) -> Run:
    """Go on where the run was paused; the deadline of a round that was kept open moves by the length of the pause."""
    run = ports.ledger.load(run_id)
    if run.has_granted(key, "resume"):
        return run
    moment = ports.clock.now()
    resumed = run.resumed(moment).with_request(key, "resume")
    current = ports.ledger.load_round(run_id, run.round) if run.round is not None else None
    suspended = current if current and current.phase is RoundPhase.SUSPENDED else None
    resumed = store(ports, resumed, "run_resumed", changed=suspended.reopened(moment) if suspended else None)
    log.info("run_resumed", run_id=run_id, correlation_id=run.correlation_id)
    # A run that was only about to pause has all its commands under way.
    proceed(ports, resumed, publish_always if run.phase is RunPhase.PAUSED else publish_never)
    return ports.ledger.load(run_id)


@decide_again
def cancel_run(ports: Ports, run_id: str, key: str | None = None) -> Run:
    """End the run now. Its artifacts stay; updates still under way are refused. `WrongPhaseError` once it has ended."""
    run = ports.ledger.load(run_id)
    if run.has_granted(key, "cancel"):
        return run
    return cancel(ports, run.with_request(key, "cancel"))


@decide_again
def delete_run(ports: Ports, run_id: str, confirm: str | None) -> Run:
    """Have the run's artifacts and records removed, by the sweep. ``confirm`` must repeat the run's id."""
    run = ports.ledger.load(run_id)
    if confirm != run_id:
        raise InvalidInputError(
            f"deleting {run_id} removes its artifacts and its records for good; to confirm, send ?confirm={run_id}"
        )
    if run.phase is RunPhase.DELETING:
        return run
    deleting = run.deleting()
    log.info("run_deleting", run_id=run_id, correlation_id=run.correlation_id)
    return store(ports, deleting, "run_deleting")


def _known(ports: Ports, run_id: str, plan: Plan, key: str | None) -> Run | None:
    """The run that this key made before. `InvalidInputError` where that was a run of another plan, `WrongPhaseError` where
    only the artifact store knows it any more: made anew, it would be put over the record that it is restored from.
    """
    if key is None:
        return None
    # Before the ledger is asked: what another process creates and starts meanwhile is not taken for lost.
    recorded = _recorded(ports, run_id)
    try:
        return _same_plan(ports.ledger.load(run_id), plan, key)
    except NotFoundError:
        # A creation that was cut short has left the record of a run that nobody has started, and is gone on with.
        if recorded is not None and _same_plan(recorded, plan, key).phase is not RunPhase.CREATED:
            raise WrongPhaseError(
                f"the idempotency key {key!r} made {run_id}, which the artifact store has, and the ledger has lost; "
                f"bring it back with: fedface run restore {run_id}"
            ) from None
        return None


def _recorded(ports: Ports, run_id: str) -> Run | None:
    try:
        return read_versioned(Run, ports.artifacts.get(object_keys.run(run_id)))
    except ArtifactMissingError:
        return None


def _same_plan(run: Run, plan: Plan, key: str | None) -> Run:
    if run.plan != plan:
        raise InvalidInputError(f"the idempotency key {key!r} made {run.id}, whose plan is another; take a new key")
    return run
