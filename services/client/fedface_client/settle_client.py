"""Begins and settles a client's part in a round, and passes on what that completes.

Asynchronously a client settles in whichever round is open when it is done. While none is, between the close of one and
the opening of the next, it waits for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from fedface_core.domain.commands import FoldShard, HandleFact
from fedface_core.domain.facts import RoundReady
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED
from fedface_core.domain.update import Receipt, RefusalReason
from fedface_worker.workbench import Workbench

_POLL_SECONDS = 0.25
_POLLS = 120  # an aggregation takes seconds; what takes longer, the sweep takes up


@dataclass(frozen=True)
class Invitation:
    """One client's part in one round, whose model it trains."""

    run_id: str
    round: int
    client_id: str
    correlation_id: str


def begin_attempt(bench: Workbench, plan: Plan, invitation: Invitation) -> int:
    """Count the attempt: 1 for the first. 0 where there is nothing to do: it has settled, or is not awaited any more."""
    ledger, run, client = bench.ports.ledger, invitation.run_id, invitation.client_id
    for number in _rounds(bench, plan, invitation):
        count = ledger.begin_attempt(run, number, client, bench.ports.clock.now())
        if count:
            return count
        if ledger.load_round(run, number).phase not in (RoundPhase.AGGREGATING, RoundPhase.EVALUATING):
            return 0
    return 0


def settle(
    bench: Workbench, plan: Plan, invitation: Invitation, record: Callable[[int, datetime], Receipt]
) -> RefusalReason | None:
    """Have ``record`` tell the ledger, for a round and a moment; pass on what that completes. Returns why it was refused."""
    receipt, into = Receipt(refused=RefusalReason.LATE), invitation.round
    for into in _rounds(bench, plan, invitation):
        receipt = record(into, bench.ports.clock.now())
        if receipt.refused is not RefusalReason.LATE:
            break
    _pass_on(bench, invitation, into, receipt)
    return receipt.refused


def _rounds(bench: Workbench, plan: Plan, invitation: Invitation) -> Iterator[int]:
    """The rounds to try: the invitation's own; asynchronously the run's current one, for as long as the client is in it."""
    if not plan.aggregation.waits_for_nobody:
        yield invitation.round
        return
    for _ in range(_POLLS):
        run = bench.ports.ledger.load(invitation.run_id)
        assert run.round is not None, "a client is invited to a round"
        member_since = bench.ports.ledger.load_round(run.id, run.round).base_of(invitation.client_id)
        if run.phase in ENDED or member_since != invitation.round:
            return  # it was replaced, or has been counted and invited anew
        yield run.round
        bench.ports.clock.sleep(_POLL_SECONDS)


def _pass_on(bench: Workbench, invitation: Invitation, number: int, receipt: Receipt) -> None:
    """Tell control of a ready round, or else the aggregator of a settled shard. Lost, the sweep makes up for either.

    Control has every shard that is not folded yet folded when it closes a round, so a ready round needs no second message.
    """
    run = invitation.run_id
    command: HandleFact | FoldShard
    if receipt.round_ready:
        command = HandleFact(run_id=run, fact=RoundReady(run_id=run, round=number, because="settled"))
    elif receipt.shard_settled and receipt.shard is not None:
        command = FoldShard(run_id=run, round=number, shard=receipt.shard)
    else:
        return
    bench.ports.publisher.publish(command, correlation_id=invitation.correlation_id)
