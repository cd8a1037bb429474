"""Opens a round: picks the cohort, writes the ledger, publishes one task per client."""

from __future__ import annotations

import structlog

from fedface_control.prompt import publish_implied
from fedface_core.domain import run as runs
from fedface_core.domain.events import ModelPrepared
from fedface_core.domain.ids import client_id
from fedface_core.domain.round import draw_cohort, open_round
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def open_enrolment(ports: Ports, run: Run, fact: ModelPrepared) -> None:
    """Round 0, to which every client is invited, once the initial model version is in the store."""
    if run.phase is not RunPhase.PREPARING:
        return  # redelivered
    everyone = tuple(client_id(index) for index in range(run.plan.split.clients))
    _open(ports, run, 0, everyone, fact.model_sha256)


def open_training_round(ports: Ports, run: Run, number: int) -> None:
    """Round ``number``, drawn from the clients that enrolled, from the newest model version."""
    assert run.model_sha256 is not None, "a run has a model version from its first round on"
    _open(ports, run, number, draw_cohort(run.plan, number, enrolled_clients(ports, run)), run.model_sha256)


def enrolled_clients(ports: Ports, run: Run) -> tuple[str, ...]:
    """The clients that have a class embedding: accepted at enrolment, and not refused when folded."""
    aggregation = ports.ledger.load_round(run.id, 0).aggregation
    assert aggregation is not None, "asked for once enrolment is aggregated"
    return tuple(client for client in ports.ledger.accepted(run.id, 0) if client not in aggregation.refused)


def _open(ports: Ports, run: Run, number: int, cohort: tuple[str, ...], model_sha256: str) -> None:
    opened = open_round(run.plan, run.id, number, cohort, model_sha256, ports.clock.now())
    run = ports.ledger.save(runs.begin_round(run, number, model_sha256), "round_opened", opened=opened)
    log.info("round_opened", round=number, invited=len(cohort), model_sha256=model_sha256)
    publish_implied(ports, run, opened)
