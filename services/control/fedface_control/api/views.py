"""What the API shows of runs and rounds, read from the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fedface_core.contracts.http import RoundView, RunDetail, RunSummary
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.results import Scores
from fedface_core.domain.round import RoundPhase, RoundState
from fedface_core.domain.run import Run, allowed_actions
from fedface_core.ports import RoundSettlement, RoundSummary, RunViews

STRAGGLERS = 5  # so many are named; the others are counted


def run_summary(ledger: RunViews, run: Run) -> RunSummary:
    """A run at a glance."""
    return RunSummary(**_summary(ledger, run))


def run_summaries(ledger: RunViews, runs: Iterable[Run]) -> list[RunSummary]:
    """Many runs at a glance; one that is being deleted in this moment is left out."""
    summaries = []
    for run in runs:
        try:
            summaries.append(run_summary(ledger, run))
        except NotFoundError:
            continue
    return summaries


def run_detail(ledger: RunViews, run: Run) -> RunDetail:
    """A run with its plan."""
    return RunDetail(**_summary(ledger, run), plan=run.plan)


def round_view(ledger: RoundSettlement, glance: RoundSummary) -> RoundView:
    """One round."""
    shown = glance.round
    return RoundView(
        number=shown.number,
        phase=shown.phase,
        base=shown.base,
        invited=glance.invited,
        accepted=glance.accepted,
        failed=dict(ledger.failed(shown.run_id, shown.number)) if glance.failed else {},
        opened_at=shown.opened_at,
        deadline_at=shown.deadline_at,
        closed_at=shown.closed_at,
        finished_at=shown.finished_at,
        abandoned_because=shown.abandoned_because,
        model_sha256=shown.model_sha256,
        aggregation=shown.aggregation,
        scores=shown.scores,
    )


def _summary(ledger: RunViews, run: Run) -> dict[str, Any]:
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
        glance = ledger.round_summary(run.id, run.round)
        current = glance.round
        takes_updates = current.phase in (RoundPhase.OPEN, RoundPhase.SUSPENDED)
        summary |= {
            "round_phase": current.phase,
            "deadline_at": current.deadline_at if takes_updates else None,
            "waiting_for": ledger.stragglers(run.id, run.round, STRAGGLERS) if takes_updates else [],
            "unsettled": glance.unsettled if takes_updates else 0,
            "quorum": current.quorum,
            "invited": glance.invited,
            "accepted": glance.accepted,
            "failed": glance.failed,
            "scores": _newest_scores(ledger, current),
        }
    return summary


def _newest_scores(ledger: RunViews, current: RoundState) -> Scores | None:
    """Of the newest evaluated round: this one, or the nearest that was scored of those it builds on."""
    shown = current
    try:
        while shown.scores is None and shown.base is not None:
            shown = ledger.round_summary(shown.run_id, shown.base).round
    except NotFoundError:  # a round that a restored ledger does not know
        return None
    return shown.scores
