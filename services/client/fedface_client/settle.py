"""Counts a client's attempts in the ledger, settles what became of it there, and passes on what that completes.

Asynchronously a client settles in whichever round is open when it is done. While none is, between the close of one and
the opening of the next, it waits for a moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fedface_core.domain.commands import FoldShard, HandleFact
from fedface_core.domain.facts import RoundReady
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase
from fedface_core.domain.run import ENDED
from fedface_core.domain.update import AcceptedUpdate, Receipt, RefusalReason
from fedface_core.ports import Ports

_POLL_SECONDS = 0.25
_POLLS = 120  # an aggregation takes seconds; what takes longer, the sweep takes up


@dataclass(frozen=True)
class Invitation:
    """What one client is asked for in one round: an update, by the run's plan, of the model that the round starts from.

    ``opened`` is the round as it was opened: the ledger knows its present phase. ``correlation_id`` names the run's work.
    """

    plan: Plan
    opened: Round
    client_id: str
    correlation_id: str


@dataclass(frozen=True)
class Failure:
    """The outcome of a client that sends no update, with the reason."""

    reason: str


def count_attempt(ports: Ports, invitation: Invitation) -> int:
    """Count one more attempt of the invited client; returns which it is: 1 for the first.

    0, and nothing is counted, if there is nothing to do: the client has settled, or is not awaited any more.
    """
    run_id = invitation.opened.run_id
    for number in _rounds_to_try(ports, invitation):
        count = ports.ledger.begin_attempt(run_id, number, invitation.client_id, ports.clock.now())
        if count:
            return count
        if ports.ledger.load_round(run_id, number).phase not in (RoundPhase.AGGREGATING, RoundPhase.EVALUATING):
            return 0
    return 0


def settle(ports: Ports, invitation: Invitation, outcome: AcceptedUpdate | Failure) -> RefusalReason | None:
    """Record in the ledger what became of the invited client, and publish what that completes.

    Returns why the ledger refused the outcome; None if it counts.
    """
    run_id = invitation.opened.run_id
    client = invitation.client_id
    number = invitation.opened.number
    receipt = Receipt(refused=RefusalReason.LATE)
    for number in _rounds_to_try(ports, invitation):
        now = ports.clock.now()
        match outcome:
            case AcceptedUpdate():
                receipt = ports.ledger.accept(run_id, number, client, outcome, now)
            case Failure():
                receipt = ports.ledger.fail(run_id, number, client, outcome.reason, now)
        if receipt.refused is not RefusalReason.LATE:
            break
    _pass_on(ports, invitation, number, receipt)
    return receipt.refused


def _rounds_to_try(ports: Ports, invitation: Invitation) -> Iterator[int]:
    """The invitation's own round; asynchronously the run's current one, time and again, as long as the client is in it."""
    opened = invitation.opened
    if not invitation.plan.aggregation.is_asynchronous:
        yield opened.number
        return
    for _ in range(_POLLS):
        run = ports.ledger.load(opened.run_id)
        assert run.round is not None, "a client is invited to a round"
        member_since = ports.ledger.load_round(run.id, run.round).base_of(invitation.client_id)
        if run.phase in ENDED or member_since != opened.number:
            return  # it was replaced, or has been counted and invited anew
        yield run.round
        ports.clock.sleep(_POLL_SECONDS)


def _pass_on(ports: Ports, invitation: Invitation, number: int, receipt: Receipt) -> None:
    """Tell control of a ready round, or else the aggregator of a settled shard. If that is lost, the sweep makes up for it.

    Control has every shard that is not folded yet folded when it closes a round, so a ready round needs no second message.
    """
    run_id = invitation.opened.run_id
    command: HandleFact | FoldShard
    if receipt.round_ready:
        command = HandleFact(run_id=run_id, fact=RoundReady(run_id=run_id, round=number, because="settled"))
    elif receipt.shard_settled and receipt.shard is not None:
        command = FoldShard(run_id=run_id, round=number, shard=receipt.shard)
    else:
        return
    ports.publisher.publish(command, correlation_id=invitation.correlation_id)
