"""How a client's task begins and ends, enrolling or training: the attempt, the update, the acceptance, the messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from fedface_client.act_as_device import be_late, keeps_silent, take_time, upload
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import FoldShard, HandleFact
from fedface_core.domain.devices import behaviour
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError
from fedface_core.domain.events import RoundReady
from fedface_core.domain.plan import Plan
from fedface_core.domain.update import AcceptedUpdate, Receipt
from fedface_core.learning.client_steps import Update
from fedface_core.learning.codec import decode_tensors, sha256_hex
from fedface_core.ports import Ports
from fedface_core.runtime.metrics import UPDATES

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Invitation:
    """One client's part in one round."""

    run_id: str
    round: int
    client_id: str
    correlation_id: str


def answer(ports: Ports, plan: Plan, invitation: Invitation, make_update: Callable[[], Update]) -> None:
    """Make the client's update, put it, record its acceptance, and pass on what that completes.

    A client whose data cannot be used, or whose task was delivered too often (it may be what kills the worker), is
    recorded as failed, so that the round does not wait for it. Of a simulated device that keeps silent nothing is
    recorded: to go on without it, or to ask it again, is for the quorum, the deadline and the sweep.
    """
    run, number, client = invitation.run_id, invitation.round, invitation.client_id
    device = behaviour(plan, client, number, ports.clock.now())
    if keeps_silent(device):  # before the attempt is counted: to ask an absent device again must not use up its attempts
        return
    attempt = ports.ledger.begin_attempt(run, number, client, ports.clock.now())
    if attempt == 0:
        log.info("nothing_to_do")  # settled already, or the round has closed
        return
    if attempt > plan.cohort.attempts:
        _fail(ports, invitation, f"gave up after {plan.cohort.attempts} attempts")
        return
    key = object_keys.update(run, number, client)
    # On the first attempt too: a round whose ledger was lost is opened anew, and worker and ledger count from the start.
    accepted = _stored(ports, key)
    if accepted is None:
        take_time(device, ports.clock)
        try:
            update = make_update()
        except InvalidInputError as error:
            _fail(ports, invitation, str(error))
            return
        uploads = plan.devices.upload_attempts
        if not upload(device, ports.artifacts, ports.clock, key, update.data, attempts=uploads):
            _fail(ports, invitation, f"each of {uploads} attempts to upload broke off")
            return
        accepted = update.accepted
    be_late(device, ports.clock)  # also where an earlier attempt put the update: to kill a worker makes no device punctual
    receipt = ports.ledger.accept(run, number, client, accepted, ports.clock.now())
    UPDATES.labels("refused" if receipt.refused else "accepted", receipt.refused or "").inc()
    log.info("update_delivered", refused=receipt.refused, images=accepted.images, bytes=accepted.size, attempt=attempt)
    _pass_on(ports, invitation, receipt)


def _stored(ports: Ports, key: str) -> AcceptedUpdate | None:
    """The update that an earlier attempt put before it was killed: it need not be made again."""
    try:
        data = ports.artifacts.get(key)
        _, metadata = decode_tensors(data)
        return AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)})
    except ArtifactMissingError:
        return None
    except (InvalidInputError, ValidationError) as error:
        log.warning("stored_update_unusable", key=key, reason=str(error))
        return None


def _fail(ports: Ports, invitation: Invitation, reason: str) -> None:
    log.warning("client_failed", reason=reason)
    receipt = ports.ledger.fail(invitation.run_id, invitation.round, invitation.client_id, reason, ports.clock.now())
    if not receipt.refused:
        UPDATES.labels("failed", "client").inc()
    _pass_on(ports, invitation, receipt)


def _pass_on(ports: Ports, invitation: Invitation, receipt: Receipt) -> None:
    """Tell control of a ready round, or else the aggregator of a settled shard. Lost, the sweep makes up for either.

    Control has every shard that is not folded yet folded when it closes a round, so a ready round needs no second message.
    """
    run, number = invitation.run_id, invitation.round
    command: HandleFact | FoldShard
    if receipt.round_ready:
        command = HandleFact(run_id=run, fact=RoundReady(run_id=run, round=number, because="settled"))
    elif receipt.shard_settled and receipt.shard is not None:
        command = FoldShard(run_id=run, round=number, shard=receipt.shard)
    else:
        return
    ports.publisher.publish(command, correlation_id=invitation.correlation_id)
