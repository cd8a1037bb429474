"""Opens a round: draws the cohort and stores the round. Its tasks follow from the stored round."""

from __future__ import annotations

import structlog

from fedface_control.records import enrolled_clients
from fedface_core.domain import run as runs
from fedface_core.domain.ids import client_id
from fedface_core.domain.round import Round, draw_cohort, open_round
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def open_round_zero(ports: Ports, run: Run) -> Run:
    """Enrolment, to which every client is invited, once the initial model version is in the store."""
    assert run.model_sha256 is not None, "asked for once the model is prepared"
    everyone = tuple(client_id(index) for index in range(run.plan.split.clients))
    return _store(ports, run, open_round(run.plan, run.id, 0, everyone, run.model_sha256, ports.clock.now()))


def open_training_round(ports: Ports, run: Run) -> Run:
    """The next round, drawn from the clients that enrolled, from the results of the newest finished one."""
    assert run.round is not None, "enrolment came first"
    assert run.base_round is not None, "and has finished"
    assert run.model_sha256 is not None, "with a model version"
    number = run.round + 1
    base = ports.ledger.load_round(run.id, run.base_round)
    history = {} if run.plan.cohort.selection == "uniform" else ports.ledger.participation(run.id)
    cohort = draw_cohort(run.plan, number, enrolled_clients(ports, run), history)
    opened = open_round(run.plan, run.id, number, cohort, run.model_sha256, ports.clock.now(), base=base)
    return _store(ports, run, opened)


def _store(ports: Ports, run: Run, opened: Round) -> Run:
    run = ports.ledger.save(runs.begin_round(run, opened.number), "round_opened", opened=opened)
    log.info("round_opened", round=opened.number, invited=len(opened.cohort), model_sha256=opened.model_sha256)
    return run
