"""What an operator asks of a run: create, start, cancel."""

from __future__ import annotations

import uuid

import structlog

from fedface_control.prompt import ask_for_model
from fedface_core.contracts import object_keys
from fedface_core.domain import run as runs
from fedface_core.domain.ids import new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase, abandon
from fedface_core.domain.run import Run, RunPhase, require_allowed
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def create_run(ports: Ports, plan: Plan) -> Run:
    """A new run of ``plan``, not started yet."""
    run = Run(id=new_run_id(), plan=plan, correlation_id=uuid.uuid4().hex, created_at=ports.clock.now())
    ports.artifacts.put(object_keys.plan(run.id), plan.model_dump_json(indent=1).encode())
    ports.ledger.create(run)
    log.info("run_created", run_id=run.id, correlation_id=run.correlation_id, plan=plan.name)
    return run


def start_run(ports: Ports, run_id: str) -> Run:
    """Have the run's initial model prepared; its rounds follow. `WrongPhaseError` unless it is `created`."""
    run = ports.ledger.save(runs.start(ports.ledger.load(run_id), ports.clock.now()), "run_started")
    log.info("run_started", run_id=run.id, correlation_id=run.correlation_id)
    ask_for_model(ports, run)
    return run


def cancel_run(ports: Ports, run_id: str) -> Run:
    """End the run now. Its artifacts stay; updates still under way are refused. `WrongPhaseError` once it has ended."""
    run = ports.ledger.load(run_id)
    require_allowed(run, "cancel")
    now = ports.clock.now()
    current = ports.ledger.load_round(run.id, run.round) if run.round is not None else None
    unfinished = current if current and current.phase not in (RoundPhase.FINISHED, RoundPhase.ABANDONED) else None
    cancelled = ports.ledger.save(
        runs.end(run, RunPhase.CANCELLED, now), "run_cancelled", changed=abandon(unfinished, now) if unfinished else None
    )
    log.info("run_cancelled", run_id=run.id, correlation_id=run.correlation_id)
    return cancelled
