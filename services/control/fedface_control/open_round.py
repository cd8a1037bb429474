"""Opens a round: draws the cohort and stores the round. Its tasks follow from the stored round."""

from __future__ import annotations

import structlog

from fedface_control.records import enrolled_clients
from fedface_core.domain import run as runs
from fedface_core.domain.cohort import draw_cohort
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.ids import client_id
from fedface_core.domain.residuals import residuals_after
from fedface_core.domain.round import Round, open_round
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def open_round_zero(ports: Ports, run: Run) -> Run:
    """Enrolment, to which every client is invited, once the initial model version is in the store."""
    assert run.model_sha256 is not None, "asked for once the model is prepared"
    everyone = tuple(client_id(index) for index in range(run.plan.split.clients))
    return _store(ports, run, open_round(run.plan, run.id, 0, everyone, run.model_sha256, ports.clock.now()))


def open_training_round(ports: Ports, run: Run) -> Run:
    """The next round, from the results of the newest one that has any: a draw from the clients that enrolled.

    Asynchronously, who still trains is carried over, and only the others' places are drawn.
    """
    assert run.round is not None, "enrolment came first"
    assert run.base_round is not None, "and has ended"
    assert run.model_sha256 is not None, "with a model version"
    number, plan = run.round + 1, run.plan
    carried = _still_training(ports, run, number) if plan.aggregation.waits_for_nobody else {}
    free = [client for client in enrolled_clients(ports, run) if client not in carried]
    history = {} if plan.cohort.selection == "uniform" else ports.ledger.participation(run.id)
    cohort = tuple(sorted([*carried, *draw_cohort(plan, number, free, history, training=len(carried))]))
    base = ports.ledger.glance(run.id, run.base_round).round
    owes = plan.update_encoding.error_feedback
    residuals = residuals_after(base, ports.ledger.accepted_clients(run.id, base.number)) if owes else {}
    now, model = ports.clock.now(), run.model_sha256
    opened = open_round(plan, run.id, number, cohort, model, now, base=base, carried=carried, residuals=residuals)
    return _store(ports, run, opened)


def _still_training(ports: Ports, run: Run, number: int) -> dict[str, int]:
    """Who has not settled in the round before, and since which round; those that are too far behind are given up."""
    before = ports.ledger.load_round(run.id, number - 1)
    if before.number == 0:
        return {}
    unsettled = sorted(ports.ledger.tally(run.id, before.number).unsettled)
    since = {client: before.base_of(client) for client in unsettled}
    oldest = number - run.plan.aggregation.most_staleness
    known = {base for base in set(since.values()) if base >= oldest and _is_known(ports, run, base)}
    return {client: base for client, base in since.items() if base in known}


def _is_known(ports: Ports, run: Run, number: int) -> bool:
    """A restored ledger lacks the rounds that were not scored yet: what was trained since then has nothing to start from."""
    try:
        ports.ledger.glance(run.id, number)
    except NotFoundError:
        return False
    return True


def _store(ports: Ports, run: Run, opened: Round) -> Run:
    run = ports.ledger.save(runs.begin_round(run, opened.number), "round_opened", opened=opened)
    log.info("round_opened", round=opened.number, invited=len(opened.cohort), model_sha256=opened.model_sha256)
    return run
