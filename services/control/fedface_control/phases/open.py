"""A round is open: its clients enrol or train, and their updates are accepted. It closes at its quorum or its deadline.

Then `fedface_control.proceed` finds the stored phase `aggregating`, and continues with the module `aggregating`; with the
module `masking` if the round is masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from fedface_control.halt import fail
from fedface_control.one_sum import clients_left, why_too_few
from fedface_control.phases import masking
from fedface_control.phases.phase import Snapshot
from fedface_control.publish import publish_commands
from fedface_control.records import Detail
from fedface_control.upkeep.retention import remove_old_updates_in_open_round
from fedface_core.contracts.tasks import CLIENT, device_queue
from fedface_core.domain.client_tasks import split_into_tasks
from fedface_core.domain.cohort import draw_cohort
from fedface_core.domain.commands import Command, EnrolClients, TrainClients
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.facts import RoundReady
from fedface_core.domain.ids import client_id
from fedface_core.domain.masked_phases import reason_to_move_on
from fedface_core.domain.plan import Plan
from fedface_core.domain.residuals import residuals_after
from fedface_core.domain.round import Round, RoundState, Tally, open_round, reason_to_close
from fedface_core.domain.round_kind import ENROLMENT_ROUND, RoundKind
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def open_enrolment(ports: Ports, run: Run) -> Run:
    """Open enrolment, to which every client is invited. The run must be prepared."""
    assert run.model_sha256 is not None, "opened once the model is prepared"
    assert run.identity_list_sha256 is not None, "opened once the identities are listed"
    everyone = tuple(client_id(index) for index in range(run.plan.split.clients))
    opened = open_round(
        run.plan,
        run.id,
        ENROLMENT_ROUND,
        everyone,
        run.model_sha256,
        ports.clock.now(),
        identity_list_sha256=run.identity_list_sha256,
    )
    return _save_opened(ports, run, opened)


def open_training_round(ports: Ports, run: Run) -> Run:
    """Open the next round from the newest model version. Its cohort is drawn from the enrolled clients.

    In an asynchronous run, clients that still train are carried over into the cohort, and only the other places are drawn.
    A masked run fails if too few clients are left that made no update from this model version yet.
    """
    assert run.round is not None, "enrolment came first"
    assert run.base_round is not None, "enrolment has ended"
    assert run.model_sha256 is not None, "enrolment left a model version"
    plan = run.plan
    number = run.round + 1
    carried = _carried_clients(ports, run, number) if plan.aggregation.is_asynchronous else {}
    left = clients_left(ports, run)
    if because := why_too_few(run, left):
        return fail(ports, run, because)
    free = [client for client in left if client not in carried]
    history = {} if plan.cohort.selection == "uniform" else ports.ledger.participation(run.id)
    drawn = draw_cohort(plan, number, free, history, training=len(carried))
    cohort = tuple(sorted([*carried, *drawn]))
    base = ports.ledger.round_summary(run.id, run.base_round).round
    residuals: dict[str, int] = {}
    if plan.keeps_residuals:
        accepted = ports.ledger.accepted_clients(run.id, base.number)
        residuals = residuals_after(base, accepted, of_enrolment=plan.only_sums)
    opened = open_round(
        plan,
        run.id,
        number,
        cohort,
        run.model_sha256,
        ports.clock.now(),
        identity_list_sha256=run.identity_list_sha256,
        base=base,
        carried=carried,
        residuals=residuals,
    )
    return _save_opened(ports, run, opened)


def next_step(ports: Ports, snapshot: Snapshot) -> Run | None:
    """Close the round if its quorum is reached, every client has settled, or its deadline has passed. Else None."""
    because = reason_to_close(snapshot.round, snapshot.tally, ports.clock.now())
    return None if because is None else close_round(ports, snapshot.run, snapshot.round, because)


def close_round(ports: Ports, run: Run, current: Round, because: str, detail: Detail | None = None) -> Run:
    """End acceptance, which makes the accepted set final; ``because`` says why, and ``detail`` what else the event says.
    Returns the run as stored.

    A masked round is unmasked first. The phase `aggregating` decides what follows: if there are fewer updates than the
    minimum, the round is abandoned; else the remaining shards are folded, and the round is reduced to a model version.
    """
    now = ports.clock.now()
    masks = run.plan.secure_aggregation
    closed = current.closed(now, now + timedelta(seconds=masks.unmasking_deadline_seconds) if masks else None)
    run = ports.ledger.save(run, "round_closed", changed=closed, detail={"because": because, **(detail or {})})
    log.info("round_closed", round=current.number, because=because)
    return run


def work_queue(plan: Plan, _current: RoundState) -> str:
    """The clients' queue for the plan's device: they work on an open round."""
    return device_queue(CLIENT, plan.compute.device)


def commands(plan: Plan, current: Round, tally: Tally) -> Sequence[Command]:
    """Tasks for the clients that have not settled: to enrol, or to train the model version that each started from."""
    unsettled = [client for client in current.cohort if client in tally.unsettled]
    if current.kind is RoundKind.ENROLMENT:
        return [
            EnrolClients(run_id=current.run_id, clients=clients, device=plan.compute.device)
            for clients in split_into_tasks(plan, unsettled)
        ]
    if tally.last_activity == current.opened_at:  # no task was published yet, and the carried clients are at work
        unsettled = [client for client in unsettled if client not in current.carried]
    # If members of a cohort train the models of different rounds, each has a task of its own.
    tasks = split_into_tasks(plan, unsettled)
    return [
        TrainClients(run_id=current.run_id, round=current.base_of(clients[0]), clients=clients, device=plan.compute.device)
        for clients in tasks
    ]


def publish(ports: Ports, snapshot: Snapshot) -> None:
    """Publish the clients' tasks, then remove old updates: while the clients work, nobody waits for control."""
    publish_commands(ports, snapshot.run, snapshot.round, commands(snapshot.run.plan, snapshot.round, snapshot.tally))
    remove_old_updates_in_open_round(ports, snapshot.run, needed=snapshot.round.carried.values())


def round_ready(ports: Ports, run: Run, fact: RoundReady) -> Run | None:
    """The run, if its round can be closed by the ledger's counts, or the phase before or after that can end. None if not:
    then the fact is out of date, or a masked shard has signed: then its clients are asked to reveal.
    """
    if fact.round != run.round:
        return None  # of an earlier round, or of none: a message about a round that is not there must not count as a failure
    current = ports.ledger.load_round(run.id, fact.round)
    tally = ports.ledger.tally(run.id, fact.round)
    now = ports.clock.now()
    if reason_to_close(current, tally, now) or reason_to_move_on(run.plan, current, tally, now):
        return run
    if fact.shard is not None:
        masking.publish_of_signed_shard(ports, Snapshot(run, current, tally), fact.shard)
    return None


def _carried_clients(ports: Ports, run: Run, number: int) -> dict[str, int]:
    """Clients that have not settled in the previous round → the round whose results they train from.

    Clients that are further behind than the plan's `most_staleness` are not carried over.
    """
    before = ports.ledger.load_round(run.id, number - 1)
    if before.kind is RoundKind.ENROLMENT:
        return {}
    unsettled = sorted(ports.ledger.tally(run.id, before.number).unsettled)
    since = {client: before.base_of(client) for client in unsettled}
    oldest = number - run.plan.aggregation.most_staleness
    known = {base for base in set(since.values()) if base >= oldest and _is_in_ledger(ports, run, base)}
    return {client: base for client, base in since.items() if base in known}


def _is_in_ledger(ports: Ports, run: Run, number: int) -> bool:
    """Whether the ledger has the round. A restored ledger lacks rounds that were not scored when the ledger was lost."""
    try:
        ports.ledger.round_summary(run.id, number)
    except NotFoundError:
        return False
    return True


def _save_opened(ports: Ports, run: Run, opened: Round) -> Run:
    run = ports.ledger.save(run.in_round(opened.number), "round_opened", opened=opened)
    log.info("round_opened", round=opened.number, invited=len(opened.cohort), model_sha256=opened.model_sha256)
    return run
