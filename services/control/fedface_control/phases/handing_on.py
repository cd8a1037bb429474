"""A masked round has closed the sharing of keys: the aggregator fixes the roster of each shard, and hands the shares on.

Once every shard has a roster or is left out, the round opens for updates. Whoever is on no roster has failed by then, so the
round waits for nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog

from fedface_control.phases.phase import Snapshot
from fedface_control.publish import publish_commands
from fedface_core.contracts.tasks import AGGREGATOR
from fedface_core.domain.commands import Command, HandOnShares
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.facts import SharesHandedOn
from fedface_core.domain.masked_phases import members_of_shard, too_small_shards, why_too_small
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase, RoundState, ShardRoster, Tally
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def next_step(ports: Ports, snapshot: Snapshot) -> Run | None:
    """Leave out the shards in which too few have shared keys; open the round once no shard waits for a roster. Else None."""
    run = snapshot.run
    current = snapshot.round
    assert current.masks is not None, "only masked rounds hand shares on"
    too_small = too_small_shards(run.plan, current, snapshot.tally)
    if too_small:
        for shard, reason in too_small.items():
            _fail(ports, current, dict.fromkeys(snapshot.tally.unsettled.intersection(current.shard_members(shard)), reason))
        changed = current.with_rosters(dict.fromkeys(too_small))
        return ports.ledger.save(run, "shards_left_out", changed=changed, detail={"shards": len(too_small)})
    if len(current.masks.rosters) < current.shards:
        return None
    opened = current.handed_on(ports.clock.now() + timedelta(seconds=run.plan.cohort.deadline_seconds))
    log.info("round_takes_updates", round=current.number)
    return ports.ledger.save(run, "round_takes_updates", changed=opened)


def work_queue(_plan: Plan, _current: RoundState) -> str:
    """The aggregator's queue."""
    return AGGREGATOR


def commands(_plan: Plan, current: Round, _tally: Tally) -> Sequence[Command]:
    """Hand on the shares of each shard that has no roster yet."""
    assert current.masks is not None, "only masked rounds hand shares on"
    waiting = [shard for shard in range(current.shards) if shard not in current.masks.rosters]
    return [HandOnShares(run_id=current.run_id, round=current.number, shard=shard) for shard in waiting]


def publish(ports: Ports, snapshot: Snapshot) -> None:
    """Publish the aggregator's tasks."""
    publish_commands(ports, snapshot.run, snapshot.round, commands(snapshot.run.plan, snapshot.round, snapshot.tally))


def shares_handed_on(ports: Ports, run: Run, fact: SharesHandedOn) -> Run | None:
    """Record the roster of a shard, and return the run as stored. None if the round waits for none of this shard.

    Its clients that are not on the roster fail, and all of them if they are too few to be unmasked.
    """
    current = ports.ledger.load_round(run.id, fact.round)
    if current.phase is not RoundPhase.HANDING_ON or current.masks is None:
        return None
    if fact.shard >= current.shards or fact.shard in current.masks.rosters:
        return None
    members = members_of_shard(current, fact.shard, ports.ledger.deposits(run.id, current.number, Deposit.DEVICE_KEYS))
    unsettled = ports.ledger.tally(run.id, current.number).unsettled
    on_roster = unsettled.intersection(members, fact.clients)
    too_small = why_too_small(run.plan, fact.shard, len(members), len(on_roster))
    default = too_small or "its key bundle is not on the roster of its shard"
    failed = unsettled.intersection(current.shard_members(fact.shard)) - (frozenset() if too_small else on_roster)
    _fail(ports, current, {client: fact.refused.get(client, default) for client in failed})
    roster = None if too_small else ShardRoster(shard_round=fact.shard_round, roster=fact.roster)
    log.info("shares_handed_on", round=current.number, shard=fact.shard, clients=len(on_roster))
    return ports.ledger.save(
        run,
        "shares_handed_on",
        changed=current.with_rosters({fact.shard: roster}),
        detail={"shard": fact.shard, "clients": len(on_roster)},
    )


def _fail(ports: Ports, current: Round, reasons: Mapping[str, str]) -> None:
    """Record that these clients send no update, and why. It is no error if they have failed already."""
    for client in sorted(reasons):
        ports.ledger.fail(current.run_id, current.number, client, reasons[client])
