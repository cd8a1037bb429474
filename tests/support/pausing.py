"""Checks of paused runs, for tests that pause them."""

from __future__ import annotations

from fedface_core.domain.run import RunPhase
from support.in_process import REPEAT_AFTER, InProcess
from support.places import simulated

LONG = 20 * REPEAT_AFTER.total_seconds()


def check_stands_still(services: InProcess, run_id: str) -> None:
    """Check that a paused run asks for nothing, whatever is delivered and however often the sweep looks."""
    services.drain()
    before = services.ports.ledger.load(run_id), services.ports.ledger.rounds(run_id)
    for _ in range(3):
        services.sweep_after(LONG)
        assert services.publisher.published == []
    assert (services.ports.ledger.load(run_id), services.ports.ledger.rounds(run_id)) == before
    assert before[0].phase is RunPhase.PAUSED


def check_ends_as_simulated(services: InProcess, run_id: str) -> None:
    """Deliver until the run has ended, and check that its model is that of a simulation and that no update is missing."""
    run = services.to_end(run_id)
    assert (run.phase, run.failure) == (RunPhase.COMPLETED, None)
    assert run.model_sha256 == simulated(services.plan).model_sha256
    for number in range(services.plan.rounds + 1):
        assert len(services.manifest(run_id, number).accepted) == len(services.manifest(run_id, number).round.cohort)
