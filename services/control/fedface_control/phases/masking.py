"""A masked round waits for what its clients deposit: keys of their devices, key bundles, and in the end what unmasks it.

Three phases share this module, since each asks clients for something until a deadline (`fedface_core.domain.masked_phases`):
`registering` and `sharing` before the round is open, `unmasking` once its accepted set is final (ADR 41).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from fedface_control.accepted_sets import put_accepted_sets
from fedface_control.phases.phase import Snapshot
from fedface_control.publish import publish_commands
from fedface_core.contracts.tasks import CLIENT, device_queue
from fedface_core.domain.client_tasks import split_into_tasks
from fedface_core.domain.commands import ClientsOfRound, RevealShares
from fedface_core.domain.masked_phases import asked_of_clients, asked_to_reveal, reason_to_move_on
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase, RoundState, Tally
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)

_TOO_LATE = {
    RoundPhase.REGISTERING: "its device registered no keys before the deadline",
    RoundPhase.SHARING: "it shared no keys before the deadline",
}
"""Phase → why a client fails that has not done what it was asked for. Nobody fails who does not help to unmask."""
_EVENTS = {
    RoundPhase.REGISTERING: "devices_registered",
    RoundPhase.SHARING: "keys_shared",
    RoundPhase.UNMASKING: "round_unmasked",
}
"""Phase → the event of its end."""


def next_step(ports: Ports, snapshot: Snapshot) -> Run | None:
    """End the phase if its clients have done all that they were asked for, or its deadline has passed. Else None."""
    run = snapshot.run
    current = snapshot.round
    now = ports.clock.now()
    because = reason_to_move_on(run.plan, current, snapshot.tally, now)
    if because is None:
        return None
    if current.phase in _TOO_LATE:
        for clients in asked_of_clients(run.plan, current, snapshot.tally).values():
            for client in clients:
                ports.ledger.fail(run.id, current.number, client, _TOO_LATE[current.phase])
    event = _EVENTS[current.phase]
    run = ports.ledger.save(run, event, changed=_moved_on(run.plan, current, now), detail={"because": because})
    log.info(event, round=current.number, because=because)
    return run


def work_queue(plan: Plan, _current: RoundState) -> str:
    """The clients' queue for the plan's device."""
    return device_queue(CLIENT, plan.compute.device)


def commands(plan: Plan, current: Round, tally: Tally) -> Sequence[ClientsOfRound]:
    """Tasks for the clients that have not done yet what the phase asks of them."""
    asked = asked_of_clients(plan, current, tally)
    return [task for command, clients in asked.items() for task in _tasks(plan, current, command, clients)]


def publish(ports: Ports, snapshot: Snapshot) -> None:
    """Publish the clients' tasks. What they sign and unmask is in the store before they are asked."""
    run = snapshot.run
    current = snapshot.round
    if current.phase is RoundPhase.UNMASKING:
        put_accepted_sets(ports, run, current)
    publish_commands(ports, run, current, commands(run.plan, current, snapshot.tally))


def publish_of_signed_shard(ports: Ports, snapshot: Snapshot, shard: int) -> None:
    """Ask the clients of a shard to reveal, if enough of them have signed. The other shards were asked already."""
    run = snapshot.run
    current = snapshot.round
    clients = asked_to_reveal(run.plan, current, snapshot.tally, shard)
    if clients:
        publish_commands(ports, run, current, _tasks(run.plan, current, RevealShares, clients))


def _moved_on(plan: Plan, current: Round, now: datetime) -> Round:
    match current.phase:
        case RoundPhase.REGISTERING:
            assert plan.secure_aggregation is not None, "the plan of a masked round"
            return current.registered(now + timedelta(seconds=plan.secure_aggregation.sharing_deadline_seconds))
        case RoundPhase.SHARING:
            return current.shared()
        case _:
            return current.unmasked()


def _tasks(plan: Plan, current: Round, command: type[ClientsOfRound], clients: Sequence[str]) -> list[ClientsOfRound]:
    return [
        command(run_id=current.run_id, round=current.number, clients=some, device=plan.compute.device)
        for some in split_into_tasks(plan, clients)
    ]
