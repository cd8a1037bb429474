"""What clients of a masked round put beside their updates, and have recorded: deposits (ADR 41).

Each is put, then recorded, then control is told if the shard has done all that its phase asks for. A client that must not or
cannot do what it is asked for settles as failed as long as its update is not accepted. After that it only makes no deposit:
its neighbours can do without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from fedface_client.device import Device
from fedface_client.failed_attempt import count_error, fail
from fedface_client.invitation import Invitation
from fedface_client.masked_client import MaskedClient, shard_of
from fedface_client.task_round import plan_and_round
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import (
    ClientsOfRound,
    HandleFact,
    RegisterDevices,
    RevealShares,
    ShareKeys,
    SignAcceptedSet,
)
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.devices import RoundTask
from fedface_core.domain.errors import DamagedObjectError, InvalidInputError
from fedface_core.domain.facts import RoundReady
from fedface_core.domain.failures import OUTLIVED
from fedface_core.domain.masked_phases import revelations_needed
from fedface_core.domain.round_phase import BEFORE_OPEN
from fedface_core.domain.update import RefusalReason
from fedface_core.ports import ArtifactStore
from fedface_core.secure_aggregation.errors import RevealRefusedError
from fedface_core.secure_aggregation.simulated_device import simulated_device
from fedface_core.signing.life import working_for
from fedface_learning.formats.codec import sha256_hex
from fedface_worker.checked_artifacts import get_bounded
from fedface_worker.public_reasons import reason_of_client
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Made:
    """What a client puts: an object, and of how many clients of its shard such objects are needed."""

    key: str
    data: bytes
    needed: int
    once: bool = False
    """Whether the first object that is put there counts."""


_Make = Callable[[Workbench, Invitation], _Made]


def make_deposits(workbench: Workbench, command: ClientsOfRound, correlation_id: str) -> None:
    """Have each client of the command make its deposit, one after the other.

    An unexpected error at work for one client is counted for it, and raised after the others had their turn.
    """
    opened = plan_and_round(workbench, command, correlation_id)
    if opened is None:
        return
    errors: list[Exception] = []
    with working_for(correlation_id):
        for client in command.clients:
            invitation = Invitation(*opened, client, correlation_id)
            with structlog.contextvars.bound_contextvars(client_id=client):
                try:
                    _deposit(workbench, command, invitation)
                except Exception as error:
                    error.add_note(f"at work for {client}")
                    if isinstance(error, OUTLIVED):
                        raise
                    log.warning("deposit_failed", reason=reason_of_client(error, invitation.plan))
                    errors.append(error)
    if errors:
        raise errors[0]


def _deposit(workbench: Workbench, command: ClientsOfRound, invitation: Invitation) -> None:
    current = invitation.opened_round
    client = invitation.client_id
    task, kind, make = _DEPOSITS[type(command)]
    if not Device.of(client, current.number, invitation.plan, workbench.ports.clock).responds(task):
        return
    ledger = workbench.ports.ledger
    attempt = ledger.begin_attempt(current.run_id, current.number, client)
    if not attempt:
        log.debug("nothing_to_do")
        return
    # A phase counts attempts together, and in the last one a client may have two tasks: it signs, and it reveals.
    attempts = invitation.plan.cohort.attempts * (1 if current.takes in BEFORE_OPEN else 2)
    if attempt > attempts:
        _give_up(workbench, invitation, f"gave up after {attempts} attempts")
        return
    try:
        _make(workbench, invitation, kind, make)
    except (RevealRefusedError, InvalidInputError, DamagedObjectError) as error:
        _give_up(workbench, invitation, reason_of_client(error, invitation.plan))
    except Exception as error:
        count_error(workbench.ports, invitation, error, attempt)
        raise


def _make(workbench: Workbench, invitation: Invitation, kind: Deposit, make: _Make) -> None:
    """Put the object, have it recorded, and tell control if it was the last one of the shard that is needed."""
    ports = workbench.ports
    current = invitation.opened_round
    made = make(workbench, invitation)
    if not made.once:
        ports.artifacts.put(made.key, made.data)
    elif not ports.artifacts.put_once(made.key, made.data) and _stored(ports.artifacts, made) != made.data:
        raise RevealRefusedError(f"{invitation.client_id} is known by the keys of another device, and the first ones count")
    receipt = ports.ledger.record_deposit(current.run_id, current.number, kind, invitation.client_id, sha256_hex(made.data))
    log.debug("deposit_made", deposit=kind, refused=receipt.refused, bytes=len(made.data))
    repeated = receipt.refused is RefusalReason.DUPLICATE  # then the message of the deposit may have got lost
    if receipt.deposited == made.needed or (repeated and receipt.deposited > made.needed):
        shard = receipt.shard if kind is Deposit.SIGNATURE else None
        fact = RoundReady(run_id=current.run_id, round=current.number, because="settled", shard=shard)
        ports.publisher.publish(HandleFact(run_id=current.run_id, fact=fact), correlation_id=invitation.correlation_id)


def _stored(artifacts: ArtifactStore, made: _Made) -> bytes:
    return get_bounded(artifacts, made.key, 2 * len(made.data))


def _give_up(workbench: Workbench, invitation: Invitation, reason: str) -> None:
    if invitation.opened_round.takes in BEFORE_OPEN:
        fail(workbench.ports, invitation, reason)
    else:
        log.warning("client_reveals_nothing", reason=reason)


def _device_keys(_workbench: Workbench, invitation: Invitation) -> _Made:
    current = invitation.opened_round
    client = invitation.client_id
    keys = simulated_device(invitation.plan.seed, client).public_keys
    members = current.shard_members(shard_of(current, client))
    return _Made(object_keys.device(current.run_id, client), keys.model_dump_json().encode(), len(members), once=True)


def _key_bundle(workbench: Workbench, invitation: Invitation) -> _Made:
    client = _masked_client(workbench, invitation)
    key = object_keys.key_bundle(*_place(invitation))
    return _Made(key, client.bundle().model_dump_json().encode(), len(client.shard_round.members))


def _signature(workbench: Workbench, invitation: Invitation) -> _Made:
    client = _masked_client(workbench, invitation)
    key = object_keys.signature(*_place(invitation))
    return _Made(key, client.signature().model_dump_json().encode(), client.shard_round.signers)


def _revelation(workbench: Workbench, invitation: Invitation) -> _Made:
    client = _masked_client(workbench, invitation)
    key = object_keys.revelation(*_place(invitation))
    needed = revelations_needed(invitation.plan, len(client.shard_round.members), len(client.accepted.updates))
    return _Made(key, client.revelation().model_dump_json().encode(), needed)


def _masked_client(workbench: Workbench, invitation: Invitation) -> MaskedClient:
    return MaskedClient.of(workbench, invitation.plan, invitation.opened_round, invitation.client_id)


def _place(invitation: Invitation) -> tuple[str, int, str]:
    return invitation.opened_round.run_id, invitation.opened_round.number, invitation.client_id


_DEPOSITS: Final[dict[type[ClientsOfRound], tuple[RoundTask, Deposit, _Make]]] = {
    RegisterDevices: (RoundTask.REGISTER, Deposit.DEVICE_KEYS, _device_keys),
    ShareKeys: (RoundTask.SHARE, Deposit.KEY_BUNDLE, _key_bundle),
    SignAcceptedSet: (RoundTask.SIGN, Deposit.SIGNATURE, _signature),
    RevealShares: (RoundTask.REVEAL, Deposit.REVELATION, _revelation),
}
"""Command → which task of the round it is, the deposit that it asks for, and the function that makes it."""
