"""A round is closed: the aggregator folds the remaining shards, and reduces the round to a model version.

A shard that settles earlier is folded while the round is still open: the client that completes it publishes the command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

from fedface_control.halt import abandon_round
from fedface_control.phases.phase import Snapshot
from fedface_control.publish import publish_commands
from fedface_control.records import accepted_updates
from fedface_core.contracts.tasks import AGGREGATOR
from fedface_core.domain.commands import Command, FoldShard, ReduceRound
from fedface_core.domain.facts import RoundAggregated
from fedface_core.domain.plan import Plan
from fedface_core.domain.reasons import identity
from fedface_core.domain.round import Round, RoundPhase, RoundState, Tally
from fedface_core.domain.run import Run
from fedface_core.domain.update import digest_in_order
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def next_step(ports: Ports, snapshot: Snapshot) -> Run | None:
    """Abandon the round if fewer updates were accepted than its minimum. Else None: the round waits for the aggregator."""
    accepted = snapshot.tally.accepted
    minimum = snapshot.round.minimum
    if accepted >= minimum:
        return None
    because = f"{accepted} updates were accepted, fewer than the minimum {minimum}"
    if late := snapshot.tally.late:
        because = f"{accepted} updates were accepted, {late} came late; the minimum is {minimum}"
    failed = ports.ledger.failed(snapshot.run.id, snapshot.round.number)
    return abandon_round(ports, snapshot.run, snapshot.round, because + _most_frequent_reason(failed))


def _most_frequent_reason(failed: Mapping[str, str]) -> str:
    """Why most of the failed clients (client → reason) failed, as the end of a sentence; nothing if none has failed."""
    if not failed:
        return ""
    by_kind = Counter(map(identity, failed.values()))
    ((kind, count),) = by_kind.most_common(1)
    example = next(reason for reason in failed.values() if identity(reason) == kind)
    return f"; {count} of {len(failed)} failed clients: {example}"


def work_queue(_plan: Plan, _current: RoundState) -> str:
    """The aggregator's queue: it works on a closed round."""
    return AGGREGATOR


def commands(_plan: Plan, current: Round, tally: Tally) -> Sequence[Command]:
    """Fold each shard that has accepted updates and is not folded yet. Once all shards are folded, reduce the round."""
    unfolded = sorted(tally.accepted_shards - tally.folded_shards)
    if unfolded:
        return [FoldShard(run_id=current.run_id, round=current.number, shard=shard) for shard in unfolded]
    return [ReduceRound(run_id=current.run_id, round=current.number)]


def publish(ports: Ports, snapshot: Snapshot) -> None:
    """Publish the aggregator's tasks."""
    publish_commands(ports, snapshot.run, snapshot.round, commands(snapshot.run.plan, snapshot.round, snapshot.tally))


def round_aggregated(ports: Ports, run: Run, fact: RoundAggregated) -> Run | None:
    """Record the round's results, and return the run as stored.

    None if the results are recorded already, or if the fact averages another accepted set than the ledger's.
    """
    current = ports.ledger.load_round(run.id, fact.round)
    if current.phase is not RoundPhase.AGGREGATING:
        return None
    if fact.accepted_digest != digest_in_order(accepted_updates(ports, run.id, fact.round)):
        log.warning("fact_ignored", fact=fact.kind, reason="it averages another accepted set than the ledger's")
        return None
    run = ports.ledger.save(run, "round_aggregated", changed=current.aggregated(fact.aggregation))
    log.info(
        "round_aggregated", round=fact.round, model_sha256=fact.aggregation.model_sha256, folded=fact.aggregation.folded
    )
    return run
