"""Counts a client's attempts in the ledger, settles the client there, and publishes what a settled client completes.

In asynchronous aggregation a client settles in whichever round is open when it has finished. While no round is open,
between the close of one and the opening of the next, it waits and asks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fedface_client.invitation import Invitation
from fedface_core.domain.commands import FoldShard, HandleFact
from fedface_core.domain.facts import RoundReady
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED
from fedface_core.domain.update import AcceptedUpdate, Receipt, RefusalReason
from fedface_core.ports import Ports

_POLL_SECONDS: Final = 0.25
_MAX_POLLS: Final = 120
"""An aggregation takes seconds. If one takes longer, the sweep publishes the client's task again."""


@dataclass(frozen=True)
class ClientFailure:
    """The outcome of a client that sends no update, with the reason."""

    reason: str


def count_attempt(ports: Ports, invitation: Invitation) -> int:
    """Count one more attempt of the invited client, and return its number: 1 for the first.

    Returns 0 and counts nothing if there is nothing to do: the client has settled, or the round does not await it any more.
    """
    run_id = invitation.opened_round.run_id
    for number in _rounds_to_try(ports, invitation):
        count = ports.ledger.begin_attempt(run_id, number, invitation.client_id)
        if count:
            return count
        if ports.ledger.load_round(run_id, number).phase not in (RoundPhase.AGGREGATING, RoundPhase.EVALUATING):
            return 0
    return 0


def settle(ports: Ports, invitation: Invitation, outcome: AcceptedUpdate | ClientFailure) -> RefusalReason | None:
    """Record the invited client's update or failure in the ledger, and publish the message that this makes due.

    Returns the reason if the ledger refused the outcome, None if it counts.
    """
    run_id = invitation.opened_round.run_id
    client = invitation.client_id
    number = invitation.opened_round.number
    receipt = Receipt(refused=RefusalReason.LATE)
    for number in _rounds_to_try(ports, invitation):
        match outcome:
            case AcceptedUpdate():
                receipt = ports.ledger.accept(run_id, number, client, outcome)
            case ClientFailure():
                receipt = ports.ledger.fail(run_id, number, client, outcome.reason)
        if receipt.refused is not RefusalReason.LATE:
            break
    if receipt.refused is RefusalReason.LATE and isinstance(outcome, AcceptedUpdate):
        ports.ledger.record_late(run_id, number, client)
    _publish_what_is_complete(ports, invitation, number, receipt)
    return receipt.refused


def _rounds_to_try(ports: Ports, invitation: Invitation) -> Iterator[int]:
    """The numbers of the rounds that the client may settle in.

    That is the round of the invitation. In asynchronous aggregation it is the run's current round, given again after each
    pause while the invitation holds.
    """
    opened_round = invitation.opened_round
    if not invitation.plan.aggregation.is_asynchronous:
        yield opened_round.number
        return
    for _ in range(_MAX_POLLS):
        run = ports.ledger.load(opened_round.run_id)
        assert run.round is not None, "a client is invited to a round"
        member_since = ports.ledger.load_round(run.id, run.round).base_of(invitation.client_id)
        if run.phase in ENDED or member_since != opened_round.number:
            return  # the client was replaced, or was counted and invited again
        yield run.round
        ports.clock.sleep(_POLL_SECONDS)


def _publish_what_is_complete(ports: Ports, invitation: Invitation, number: int, receipt: Receipt) -> None:
    """Report a ready round to control, or else ask the aggregator to fold a settled shard.

    The sweep publishes again what gets lost. When control closes a round, it asks for every shard that is not folded yet,
    so a ready round needs no second message.
    """
    run_id = invitation.opened_round.run_id
    command: HandleFact | FoldShard
    if receipt.round_ready:
        command = HandleFact(run_id=run_id, fact=RoundReady(run_id=run_id, round=number, because="settled"))
    elif receipt.shard_settled and receipt.shard is not None:
        command = FoldShard(run_id=run_id, round=number, shard=receipt.shard)
    else:
        return
    ports.publisher.publish(command, correlation_id=invitation.correlation_id)
