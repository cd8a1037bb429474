"""A round has ended, finished or abandoned: the run completes, pauses, or opens its next round."""

from __future__ import annotations

from fedface_control.halt import complete, pause_if_requested
from fedface_control.phases.open import open_training_round
from fedface_control.phases.phase import Snapshot
from fedface_control.upkeep.retention import remove_old_updates
from fedface_core.domain.run import Run
from fedface_core.domain.stopping import reason_to_stop
from fedface_core.ports import Ports


def next_step(ports: Ports, snapshot: Snapshot) -> Run | None:
    """Complete the run, pause it, or open its next round. None while the scores of earlier rounds are still to come."""
    run = snapshot.run
    if run.evaluating:
        return None
    because = stop_reason(ports, run, run.finished_rounds)
    if because is not None:
        return complete(ports, remove_old_updates(ports, run, ended=snapshot.round.number), because)
    return pause_if_requested(ports, run) or open_training_round(ports, run)


def stop_reason(ports: Ports, run: Run, trained: int) -> str | None:
    """The condition of the plan that ends the run once ``trained`` training rounds are done; None if the run continues."""
    looks_at_scores = run.plan.stop.far is not None
    rounds = [glance.round for glance in ports.ledger.round_summaries(run.id)] if looks_at_scores else []
    scored = [done.scores for done in rounds if done.scores]
    active = run.active_seconds(ports.clock.now())
    return reason_to_stop(run.plan.stop, trained, run.plan.rounds, scored, active)
