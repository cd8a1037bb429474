"""What the API shows of runs and rounds, read from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fedface_core.contracts.http import RoundView, RunDetail, RunSummary
from fedface_core.domain.round import Round, RoundPhase, latest_scores
from fedface_core.domain.run import Run, allowed_actions
from fedface_core.ports import RunLedger

STRAGGLERS = 5  # so many are named; the others are counted


def run_summary(ledger: RunLedger, run: Run) -> RunSummary:
    """A run at a glance."""
    return RunSummary(**_summary(ledger, run))


def run_detail(ledger: RunLedger, run: Run) -> RunDetail:
    """A run with its plan."""
    return RunDetail(**_summary(ledger, run), plan=run.plan)


def round_view(ledger: RunLedger, shown: Round) -> RoundView:
    """One round."""
    return RoundView(
        number=shown.number,
        phase=shown.phase,
        base=shown.base,
        invited=len(shown.cohort),
        accepted=ledger.tally(shown.run_id, shown.number).accepted,
        failed=dict(ledger.failed(shown.run_id, shown.number)),
        opened_at=shown.opened_at,
        deadline_at=shown.deadline_at,
        closed_at=shown.closed_at,
        finished_at=shown.finished_at,
        abandoned_because=shown.abandoned_because,
        model_sha256=shown.model_sha256,
        aggregation=shown.aggregation,
        scores=shown.scores,
    )


def _recent_rounds(ledger: RunLedger, run: Run, current: Round) -> Sequence[Round]:
    """Where the newest scores are: the current round's or the one's it started from, unless evaluations lag behind."""
    if run.evaluating:
        return ledger.rounds(run.id)
    return [current] if run.base_round is None else [ledger.load_round(run.id, run.base_round), current]


def _summary(ledger: RunLedger, run: Run) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "id": run.id,
        "name": run.plan.name,
        "phase": run.phase,
        "round": run.round,
        "rounds": run.plan.rounds,
        "finished_rounds": run.finished_rounds,
        "model_sha256": run.model_sha256,
        "failure": run.failure,
        "stopped_because": run.stopped_because,
        "cloned_from": run.cloned_from,
        "allowed": allowed_actions(run.phase),
        "created_at": run.created_at,
        "started_at": run.started_at,
        "paused_at": run.paused_at,
        "ended_at": run.ended_at,
    }
    if run.round is not None:
        current = ledger.load_round(run.id, run.round)
        tally = ledger.tally(run.id, run.round)
        latest = latest_scores(_recent_rounds(ledger, run, current))
        takes_updates = current.phase in (RoundPhase.OPEN, RoundPhase.SUSPENDED)
        summary |= {
            "round_phase": current.phase,
            "deadline_at": current.deadline_at if takes_updates else None,
            "waiting_for": sorted(tally.unsettled)[:STRAGGLERS] if takes_updates else [],
            "unsettled": len(tally.unsettled) if takes_updates else 0,
            "quorum": current.quorum,
            "invited": len(current.cohort),
            "accepted": tally.accepted,
            "failed": tally.failed,
            "scores": latest[1] if latest else None,
        }
    return summary
