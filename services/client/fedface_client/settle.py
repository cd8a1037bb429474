"""Counts a client's attempts in the ledger, settles the client there, and publishes what a settled client completes.

In asynchronous aggregation a client settles in whichever round is open when it has finished. While no round is open,
between the close of one and the opening of the next, its task waits in the broker, and the worker is free for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fedface_client.invitation import Invitation
from fedface_core.domain.commands import FoldShard, HandleFact
from fedface_core.domain.devices import Wait
from fedface_core.domain.facts import RoundReady
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED
from fedface_core.domain.update import AcceptedUpdate, Receipt, RefusalReason
from fedface_core.ports import Ports

_LONGEST_WAIT_SECONDS: Final = 30.0
"""For the next round. An aggregation takes seconds; if one takes longer, the sweep publishes the client's task again."""
_SOONEST_SECONDS: Final = 0.25
_PATIENCE: Final = 0.25
"""A task comes back after this share of the time that it has waited. So it is not late by much, and does not come often."""


@dataclass(frozen=True)
class ClientFailure:
    """The outcome of a client that sends no update, with the reason."""

    reason: str


@dataclass(frozen=True)
class Settled:
    """What became of a client's outcome. It counts if it was not ``refused`` and does not wait."""

    refused: RefusalReason | None = None
    waits: bool = False
    """No round is open. The client's task comes back, and settles the client then."""

    @property
    def counts(self) -> bool:
        """Whether the client has settled now."""
        return self.refused is None and not self.waits


def count_attempt(ports: Ports, invitation: Invitation) -> int:
    """Count one more attempt of the invited client, and return its number: 1 for the first.

    Returns 0 and counts nothing if there is nothing to do: the client has settled, the round does not await it any more, or
    no round is open yet. In the last case the client's task comes back.
    """
    number = current_round(ports, invitation)
    if number is None:
        return 0
    run_id = invitation.opened_round.run_id
    count = ports.ledger.begin_attempt(run_id, number, invitation.client_id)
    if not count and invitation.plan.aggregation.is_asynchronous:
        phase = ports.ledger.load_round(run_id, number).phase
        if phase in (RoundPhase.AGGREGATING, RoundPhase.EVALUATING):
            _wait_for_the_next_round(ports, invitation, number)
    return count


def count_attempts(ports: Ports, invitations: Sequence[Invitation]) -> Sequence[int]:
    """Count one more attempt of each of the first of these clients, in one trip, and return their numbers.

    At least one client is counted, or has nothing to do. A client on a later attempt is counted alone, since it may be what
    kills the worker. The run must not be asynchronous, whose clients may settle in different rounds.
    """
    opened_round = invitations[0].opened_round
    clients = [invitation.client_id for invitation in invitations]
    return ports.ledger.begin_attempts(opened_round.run_id, opened_round.number, clients)


def current_round(ports: Ports, invitation: Invitation) -> int | None:
    """The number of the round that the client would settle in now; None if nobody awaits it any more.

    That is the round of the invitation; in asynchronous aggregation it is the run's current round, while the invitation
    holds.
    """
    opened_round = invitation.opened_round
    if not invitation.plan.aggregation.is_asynchronous:
        return opened_round.number
    run = ports.ledger.load(opened_round.run_id)
    assert run.round is not None, "a client is invited to a round"
    member_since = ports.ledger.load_round(run.id, run.round).base_of(invitation.client_id)
    if run.phase in ENDED or member_since != opened_round.number:
        return None  # the client was replaced, or was counted and invited again
    return run.round


def settle(ports: Ports, invitation: Invitation, outcome: AcceptedUpdate | ClientFailure) -> Settled:
    """Record the invited client's update or failure in the ledger, and publish the message that this makes due."""
    run_id = invitation.opened_round.run_id
    client = invitation.client_id
    number = current_round(ports, invitation)
    receipt = Receipt(refused=RefusalReason.LATE)
    if number is not None:
        match outcome:
            case AcceptedUpdate():
                receipt = ports.ledger.accept(run_id, number, client, outcome)
            case ClientFailure():
                receipt = ports.ledger.fail(run_id, number, client, outcome.reason)
    if receipt.refused is RefusalReason.LATE:
        if number is not None and _wait_for_the_next_round(ports, invitation, number):
            return Settled(waits=True)
        if isinstance(outcome, AcceptedUpdate):
            ports.ledger.record_late(run_id, invitation.opened_round.number if number is None else number, client)
    if number is not None:
        publish_what_is_complete(ports, invitation, number, receipt)
    return Settled(receipt.refused)


def _wait_for_the_next_round(ports: Ports, invitation: Invitation, number: int) -> bool:
    """Have the client's task come back, as round ``number`` takes no updates any more and another one will be open soon.

    False if none will be, since the run is synchronous, or if the client has waited so long that the sweep looks after it.
    """
    if not invitation.plan.aggregation.is_asynchronous:
        return False
    run_id = invitation.opened_round.run_id
    left = ports.ledger.begin_wait(run_id, number, invitation.client_id, Wait.NEXT_ROUND, _LONGEST_WAIT_SECONDS)
    if left <= 0:
        return False
    seconds = min(left, max(_SOONEST_SECONDS, _PATIENCE * (_LONGEST_WAIT_SECONDS - left)))
    ports.publisher.publish_later(invitation.task, correlation_id=invitation.correlation_id, seconds=seconds)
    return True


def publish_what_is_complete(ports: Ports, invitation: Invitation, number: int, receipt: Receipt) -> None:
    """Report a ready round to control, or else ask the aggregator to fold a settled shard, unless masks have to come off it.

    The sweep publishes again what gets lost. When control closes a round, it asks for every shard that is not folded yet,
    so a ready round needs no second message.
    """
    run_id = invitation.opened_round.run_id
    command: HandleFact | FoldShard
    if receipt.round_ready:
        command = HandleFact(run_id=run_id, fact=RoundReady(run_id=run_id, round=number, because="settled"))
    elif receipt.shard_settled and receipt.shard is not None and invitation.plan.secure_aggregation is None:
        command = FoldShard(run_id=run_id, round=number, shard=receipt.shard)
    else:
        return
    ports.publisher.publish(command, correlation_id=invitation.correlation_id)
