"""How a client responds to its task, enrolling or training: the attempt, the update, the acceptance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog
from pydantic import ValidationError

from fedface_client.act_as_device import be_late, keeps_silent, take_time, upload
from fedface_client.settle_client import Invitation, begin_attempt, settle
from fedface_core.contracts import object_keys
from fedface_core.domain.devices import Behaviour, behaviour
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import ArtifactStore
from fedface_core.runtime.metrics import CLIENT_STEP_SECONDS, UPDATE_BYTES, UPDATES
from fedface_learning.client.update import Update
from fedface_learning.formats.codec import decode_tensors, sha256_hex
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Delivery:
    """What is left to do once a client has its update: to put it where it is not stored yet, and to record its acceptance.

    It ``may_wait`` while the next client trains. Not on a later attempt, when somebody has killed the worker before, nor
    on the only one that the plan allows: else a client that kills its worker could take the one before with it.
    """

    carry_out: Callable[[], None]
    may_wait: bool


def respond(
    bench: Workbench,
    plan: Plan,
    invitation: Invitation,
    make_update: Callable[[], Update],
    *,
    started_from: str | None = None,
) -> Delivery | None:
    """Begin the client's attempt and make its update. None where nothing is left to be delivered.

    A client whose data cannot be used, or whose task was delivered too often (it may be what kills the worker), is
    recorded as failed, so that the round does not wait for it. Of a simulated device that keeps silent nothing is
    recorded: to go on without it, or to ask it again, is for the quorum, the deadline and the sweep.
    """
    ports, most = bench.ports, plan.cohort.attempts
    device = behaviour(plan, invitation.client_id, invitation.round, ports.clock.now())
    if keeps_silent(device):  # before the attempt is counted: to ask an absent device again must not use up its attempts
        return None
    attempt = begin_attempt(bench, plan, invitation)
    if attempt == 0:
        log.debug("nothing_to_do")
        return None
    if attempt > most:
        _fail(bench, plan, invitation, f"gave up after {most} attempts")
        return None
    may_wait = attempt == 1 < most
    # On the first attempt too: a round whose ledger was lost is opened anew, and worker and ledger count from the start.
    stored = _stored(ports.artifacts, _key(invitation), started_from)
    if stored is not None:
        return Delivery(partial(_deliver, bench, plan, invitation, device, stored), may_wait)
    take_time(device, ports.clock)
    try:
        update = make_update()
    except InvalidInputError as error:
        _fail(bench, plan, invitation, str(error))
        return None
    return Delivery(partial(_put_and_deliver, bench, plan, invitation, device, update), may_wait)


def _put_and_deliver(bench: Workbench, plan: Plan, invitation: Invitation, device: Behaviour, update: Update) -> None:
    _keep_residual(bench.ports.artifacts, invitation, update)  # before what has left it counts
    uploads = plan.devices.upload_attempts
    with CLIENT_STEP_SECONDS.labels("put").time():
        put = upload(device, bench.ports.artifacts, bench.ports.clock, _key(invitation), update.data, attempts=uploads)
    if put:
        _deliver(bench, plan, invitation, device, update.accepted)
    else:
        _fail(bench, plan, invitation, f"each of {uploads} attempts to upload broke off")


def _keep_residual(artifacts: ArtifactStore, invitation: Invitation, update: Update) -> None:
    """Put what the encoding left out, with error feedback: the device's own memory, and no upload."""
    sha256 = update.accepted.residual_sha256
    if update.residual is not None and sha256 is not None:
        key = object_keys.residual(invitation.run_id, invitation.round, invitation.client_id, sha256)
        artifacts.put(key, update.residual)


def _deliver(bench: Workbench, plan: Plan, invitation: Invitation, device: Behaviour, update: AcceptedUpdate) -> None:
    be_late(device, bench.ports.clock)  # also where an earlier attempt put it: to kill a worker makes no device punctual
    ledger, run, client = bench.ports.ledger, invitation.run_id, invitation.client_id
    with CLIENT_STEP_SECONDS.labels("record").time():
        refused = settle(bench, plan, invitation, lambda number, now: ledger.accept(run, number, client, update, now))
    UPDATES.labels("refused" if refused else "accepted", refused or "").inc()
    if not refused and invitation.round > 0:
        UPDATE_BYTES.labels(plan.update_encoding.name).inc(update.size)
    if refused:
        log.info("update_refused", reason=refused)
    log.debug("update_delivered", images=update.images, bytes=update.size)


def _fail(bench: Workbench, plan: Plan, invitation: Invitation, reason: str) -> None:
    log.warning("client_failed", reason=reason)
    ledger, run, client = bench.ports.ledger, invitation.run_id, invitation.client_id
    if not settle(bench, plan, invitation, lambda number, now: ledger.fail(run, number, client, reason, now)):
        UPDATES.labels("failed", "client").inc()


def _key(invitation: Invitation) -> str:
    return object_keys.update(invitation.run_id, invitation.round, invitation.client_id)


def _stored(artifacts: ArtifactStore, key: str, started_from: str | None) -> AcceptedUpdate | None:
    """The update that an earlier attempt put before it was killed: it need not be made again.

    Unless it started from another model version: an asynchronous round whose ledger was lost may start from another one.
    """
    try:
        data = artifacts.get(key)
        _, metadata = decode_tensors(data)
        stored = AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)})
    except ArtifactMissingError:
        return None
    except (InvalidInputError, ValidationError) as error:
        log.warning("stored_update_unusable", key=key, reason=str(error))
        return None
    return stored if stored.started_from == started_from else None
