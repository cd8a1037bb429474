"""A round is open: its clients enrol or train, and their updates are accepted. It closes at its quorum or its deadline.

Then `aggregating.py` takes over: `fedface_control.proceed` looks at the stored phase, and goes on in that phase's file.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from fedface_control.phases.phase import Standing
from fedface_control.publish import publish_commands
from fedface_control.records import enrolled_clients
from fedface_control.upkeep.retention import drop_old_updates_meanwhile
from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.client_tasks import split_into_tasks
from fedface_core.domain.cohort import draw_cohort
from fedface_core.domain.commands import Command, EnrolClients, TrainClients
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.facts import RoundReady
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.residuals import residuals_after
from fedface_core.domain.round import Round, Tally, open_round, reason_to_close
from fedface_core.domain.round_kind import ENROLMENT_ROUND, RoundKind
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def open_enrolment(ports: Ports, run: Run) -> Run:
    """Open enrolment, to which every client is invited, once the initial model version is in the store."""
    assert run.model_sha256 is not None, "opened once the model is prepared"
    everyone = tuple(client_id(index) for index in range(run.plan.split.clients))
    opened = open_round(run.plan, run.id, ENROLMENT_ROUND, everyone, run.model_sha256, ports.clock.now())
    return _store(ports, run, opened)


def open_training_round(ports: Ports, run: Run) -> Run:
    """Open the next round from the results of the newest one that has any: its cohort is drawn from the enrolled clients.

    Asynchronously, whoever still trains is carried over, and only the other places are drawn.
    """
    assert run.round is not None, "enrolment came first"
    assert run.base_round is not None, "enrolment has ended"
    assert run.model_sha256 is not None, "enrolment left a model version"
    plan = run.plan
    number = run.round + 1
    carried = _still_training(ports, run, number) if plan.aggregation.is_asynchronous else {}
    free = [client for client in enrolled_clients(ports, run) if client not in carried]
    history = {} if plan.cohort.selection == "uniform" else ports.ledger.participation(run.id)
    drawn = draw_cohort(plan, number, free, history, training=len(carried))
    cohort = tuple(sorted([*carried, *drawn]))
    base = ports.ledger.round_summary(run.id, run.base_round).round
    owes = plan.update_encoding.error_feedback
    residuals = residuals_after(base, ports.ledger.accepted_clients(run.id, base.number)) if owes else {}
    opened = open_round(
        plan,
        run.id,
        number,
        cohort,
        run.model_sha256,
        ports.clock.now(),
        base=base,
        carried=carried,
        residuals=residuals,
    )
    return _store(ports, run, opened)


def next_step(ports: Ports, at: Standing) -> Run | None:
    """Close the round if its quorum is reached, nobody is awaited any more, or its deadline has passed."""
    because = reason_to_close(at.round, at.tally, ports.clock.now())
    return None if because is None else close_round(ports, at.run, at.round, because)


def close_round(ports: Ports, run: Run, current: Round, because: str) -> Run:
    """End acceptance, which makes the accepted set final.

    What comes next is decided in `aggregating.next_step`: with fewer updates than the minimum the round is given up; else
    the shards that are left are folded, and the round is reduced to a model version.
    """
    closed = current.closed(ports.clock.now())
    run = ports.ledger.save(run, "round_closed", changed=closed, detail={"because": because})
    log.info("round_closed", round=current.number, because=because)
    return run


def waits_for(_current: Round) -> str:
    """The clients work on an open round."""
    return CLIENT


def commands(plan: Plan, current: Round, tally: Tally) -> Sequence[Command]:
    """Tasks for the clients that have not settled: to enrol, or to train the model version that each started from."""
    invited = [client for client in current.cohort if client in tally.unsettled]
    if current.kind is RoundKind.ENROLMENT:
        return [EnrolClients(run_id=current.run_id, clients=clients) for clients in split_into_tasks(plan, invited)]
    if tally.last_activity == current.opened_at:  # nobody was asked yet, and those carried over are at work
        invited = [client for client in invited if client not in current.carried]
    # If members of a cohort train the models of different rounds, each has a task of its own.
    tasks = split_into_tasks(plan, invited)
    return [TrainClients(run_id=current.run_id, round=current.base_of(clients[0]), clients=clients) for clients in tasks]


def ask(ports: Ports, at: Standing) -> None:
    """Publish the clients' tasks. Now that the clients are at work and nobody waits for control, old updates are removed."""
    publish_commands(ports, at.run, at.round, commands(at.run.plan, at.round, at.tally))
    drop_old_updates_meanwhile(ports, at.run, needed=at.round.carried.values())


def round_ready(ports: Ports, run: Run, fact: RoundReady) -> Run | None:
    """The run whose round can be closed. None if it cannot by the ledger's counts: the message is of an earlier time."""
    current = ports.ledger.load_round(run.id, fact.round)
    tally = ports.ledger.tally(run.id, fact.round)
    return run if reason_to_close(current, tally, ports.clock.now()) else None


def _still_training(ports: Ports, run: Run, number: int) -> dict[str, int]:
    """Who has not settled in the round before, and since which round. Those that are too far behind are given up."""
    before = ports.ledger.load_round(run.id, number - 1)
    if before.kind is RoundKind.ENROLMENT:
        return {}
    unsettled = sorted(ports.ledger.tally(run.id, before.number).unsettled)
    since = {client: before.base_of(client) for client in unsettled}
    oldest = number - run.plan.aggregation.most_staleness
    known = {base for base in set(since.values()) if base >= oldest and _is_known(ports, run, base)}
    return {client: base for client, base in since.items() if base in known}


def _is_known(ports: Ports, run: Run, number: int) -> bool:
    """A restored ledger lacks the rounds that were not scored yet: what was trained since then has nothing to start from."""
    try:
        ports.ledger.round_summary(run.id, number)
    except NotFoundError:
        return False
    return True


def _store(ports: Ports, run: Run, opened: Round) -> Run:
    run = ports.ledger.save(run.in_round(opened.number), "round_opened", opened=opened)
    log.info("round_opened", round=opened.number, invited=len(opened.cohort), model_sha256=opened.model_sha256)
    return run
