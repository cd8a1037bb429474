"""Finishes a round: the manifest, then the ledger, then the next round or the end of the run."""

from __future__ import annotations

import structlog

from fedface_control.open_round import enrolled_clients, open_training_round
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain import run as runs
from fedface_core.domain.events import RoundEvaluated
from fedface_core.domain.round import Round, advance
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def finish_round(ports: Ports, run: Run, fact: RoundEvaluated) -> None:
    """Put the manifest, record the round as finished, and move on."""
    current = ports.ledger.load_round(run.id, fact.round)
    finished = advance(current, fact, ports.clock.now())
    if finished.phase is current.phase:
        return
    assert finished.aggregation is not None, "evaluated after it was aggregated"
    run = runs.with_model(run, finished.aggregation.model_sha256)
    _put_manifest(ports, run, finished)
    run = ports.ledger.save(run, "round_finished", changed=finished)
    log.info("round_finished", round=fact.round, tar=fact.scores.tar, auc=fact.scores.auc, eer=fact.scores.eer)
    move_on(ports, run)


def move_on(ports: Ports, run: Run) -> None:
    """After a finished round: the next one, or the end of the run."""
    assert run.round is not None, "moves on from a round"
    if run.round < run.plan.rounds:
        open_training_round(ports, run, run.round + 1)
        return
    ports.ledger.save(runs.end(run, RunPhase.COMPLETED, ports.clock.now()), "run_completed")
    log.info("run_completed", model_sha256=run.model_sha256)


def _put_manifest(ports: Ports, run: Run, finished: Round) -> None:
    manifest = Manifest(
        run=run,
        round=finished,
        accepted=dict(ports.ledger.accepted(run.id, finished.number)),
        failed=dict(ports.ledger.failed(run.id, finished.number)),
        enrolled=enrolled_clients(ports, run),
    )
    ports.artifacts.put(object_keys.manifest(run.id, finished.number), manifest.model_dump_json(indent=1).encode())
