"""How a client's task goes, enrolling or training: the attempt, the update, the acceptance."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from pydantic import ValidationError

from fedface_client.act_as_device import be_late, keeps_silent, take_time, upload
from fedface_client.settle_client import Invitation, begin_attempt, settle
from fedface_core.contracts import object_keys
from fedface_core.domain.devices import behaviour
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.learning.client_steps import Update
from fedface_core.learning.codec import decode_tensors, sha256_hex
from fedface_core.ports import ArtifactStore
from fedface_core.runtime.metrics import UPDATES
from fedface_core.runtime.workbench import Workbench

log = structlog.get_logger(__name__)


def answer(
    bench: Workbench,
    plan: Plan,
    invitation: Invitation,
    make_update: Callable[[], Update],
    *,
    started_from: str | None = None,
) -> None:
    """Make the client's update, put it, record its acceptance, and pass on what that completes.

    A client whose data cannot be used, or whose task was delivered too often (it may be what kills the worker), is
    recorded as failed, so that the round does not wait for it. Of a simulated device that keeps silent nothing is
    recorded: to go on without it, or to ask it again, is for the quorum, the deadline and the sweep.
    """
    ports, run, client = bench.ports, invitation.run_id, invitation.client_id
    device = behaviour(plan, client, invitation.round, ports.clock.now())
    if keeps_silent(device):  # before the attempt is counted: to ask an absent device again must not use up its attempts
        return
    attempt = begin_attempt(bench, plan, invitation)
    if attempt == 0:
        log.info("nothing_to_do")
        return
    if attempt > plan.cohort.attempts:
        _fail(bench, plan, invitation, f"gave up after {plan.cohort.attempts} attempts")
        return
    key = object_keys.update(run, invitation.round, client)
    # On the first attempt too: a round whose ledger was lost is opened anew, and worker and ledger count from the start.
    accepted = _stored(ports.artifacts, key, started_from)
    if accepted is None:
        take_time(device, ports.clock)
        try:
            update = make_update()
        except InvalidInputError as error:
            _fail(bench, plan, invitation, str(error))
            return
        uploads = plan.devices.upload_attempts
        if not upload(device, ports.artifacts, ports.clock, key, update.data, attempts=uploads):
            _fail(bench, plan, invitation, f"each of {uploads} attempts to upload broke off")
            return
        accepted = update.accepted
    be_late(device, ports.clock)  # also where an earlier attempt put the update: to kill a worker makes no device punctual
    _deliver(bench, plan, invitation, accepted)
    log.info("update_delivered", images=accepted.images, bytes=accepted.size, attempt=attempt)


def _deliver(bench: Workbench, plan: Plan, invitation: Invitation, update: AcceptedUpdate) -> None:
    ledger, run, client = bench.ports.ledger, invitation.run_id, invitation.client_id
    refused = settle(bench, plan, invitation, lambda number, now: ledger.accept(run, number, client, update, now))
    UPDATES.labels("refused" if refused else "accepted", refused or "").inc()
    if refused:
        log.info("update_refused", reason=refused)


def _fail(bench: Workbench, plan: Plan, invitation: Invitation, reason: str) -> None:
    log.warning("client_failed", reason=reason)
    ledger, run, client = bench.ports.ledger, invitation.run_id, invitation.client_id
    if not settle(bench, plan, invitation, lambda number, now: ledger.fail(run, number, client, reason, now)):
        UPDATES.labels("failed", "client").inc()


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
