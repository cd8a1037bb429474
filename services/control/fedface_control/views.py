"""What the API shows of runs and rounds, read from the ledger."""

from __future__ import annotations

from typing import Any

from fedface_core.contracts.http import RoundView, RunDetail, RunSummary
from fedface_core.domain.round import Round, latest_scores
from fedface_core.domain.run import Run
from fedface_core.ports import RunLedger


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
        invited=len(shown.cohort),
        accepted=ledger.tally(shown.run_id, shown.number).accepted,
        failed=dict(ledger.failed(shown.run_id, shown.number)),
        opened_at=shown.opened_at,
        deadline_at=shown.deadline_at,
        closed_at=shown.closed_at,
        finished_at=shown.finished_at,
        model_sha256=shown.model_sha256,
        aggregation=shown.aggregation,
        scores=shown.scores,
    )


def _summary(ledger: RunLedger, run: Run) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "id": run.id,
        "name": run.plan.name,
        "phase": run.phase,
        "round": run.round,
        "rounds": run.plan.rounds,
        "model_sha256": run.model_sha256,
        "failure": run.failure,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
    }
    if run.round is not None:
        current = ledger.load_round(run.id, run.round)
        before = [ledger.load_round(run.id, run.round - 1)] if run.round else []
        tally = ledger.tally(run.id, run.round)
        latest = latest_scores([*before, current])
        summary |= {
            "round_phase": current.phase,
            "invited": len(current.cohort),
            "accepted": tally.accepted,
            "failed": tally.failed,
            "scores": latest[1] if latest else None,
        }
    return summary
