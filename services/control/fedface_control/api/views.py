"""Views of runs and rounds, as the API shows them: read from the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fedface_control.unserved import why_it_waits
from fedface_core.contracts.http import RoundView, RunDetail, RunSummary
from fedface_core.contracts.schema_version import UNREADABLE
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.failures import StepFailure, newest_first
from fedface_core.domain.results import Scores
from fedface_core.domain.round import RoundPhase, RoundState
from fedface_core.domain.round_phase import WAITS_FOR_CLIENTS
from fedface_core.domain.run import ENDED, Run, RunPhase, allowed_actions
from fedface_core.ports import Ports, RoundSettlement, RoundSummary, RunViews

NAMED_STRAGGLERS = 5  # clients that a view names; the others are counted
NAMED_FAILURES = 5  # steps that fail, of which there may be hundreds at once


def run_summary(ledger: RunViews, run: Run) -> RunSummary:
    """A run without its plan, with the counts of its current round. `NotFoundError` if the run was deleted meanwhile."""
    return RunSummary(**_summary(ledger, run))


def run_summaries(ledger: RunViews, runs: Iterable[Run]) -> list[RunSummary]:
    """Summaries of many runs. A run that was deleted meanwhile is left out."""
    summaries = []
    for run in runs:
        try:
            summaries.append(run_summary(ledger, run))
        except NotFoundError:
            continue
    return summaries


def run_detail(ports: Ports, run: Run) -> RunDetail:
    """A run with its plan, the counts of its current round, and what fails or waits for a worker.

    `NotFoundError` if it was deleted meanwhile.
    """
    summary = _summary(ports.ledger, run)
    waits_because = None if "unreadable_round" in summary else why_it_waits(ports, run)
    return RunDetail(**summary, plan=run.plan, failing=_failing_steps(ports.ledger, run), waits_because=waits_because)


def round_view(ledger: RoundSettlement, glance: RoundSummary) -> RoundView:
    """A round with its counts, and the clients that failed with their reasons."""
    state = glance.round
    return RoundView(
        number=state.number,
        phase=state.phase,
        base=state.base,
        invited=glance.invited,
        accepted=glance.accepted,
        failed=dict(ledger.failed(state.run_id, state.number)) if glance.failed else {},
        late=glance.late,
        opened_at=state.opened_at,
        deadline_at=state.deadline_at,
        closed_at=state.closed_at,
        finished_at=state.finished_at,
        abandoned_because=state.abandoned_because,
        model_sha256=state.model_sha256,
        aggregation=state.aggregation,
        scores=state.scores,
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
        "owner": run.owner,
        "allowed": allowed_actions(run.phase),
        "created_at": run.created_at,
        "started_at": run.started_at,
        "paused_at": run.paused_at,
        "ended_at": run.ended_at,
    }
    if run.round is not None:
        try:
            glance = ledger.round_summary(run.id, run.round)
        except UNREADABLE as error:
            return summary | {"unreadable_round": str(error)}
        current = glance.round
        waits_for_clients = current.takes in WAITS_FOR_CLIENTS
        takes_updates = current.takes is RoundPhase.OPEN
        summary |= {
            "round_phase": current.phase,
            "deadline_at": current.deadline_at if waits_for_clients else None,
            "seconds_left": _seconds_left(ledger, current) if waits_for_clients else None,
            "waiting_for": ledger.stragglers(run.id, run.round, NAMED_STRAGGLERS) if takes_updates else [],
            "unsettled": glance.unsettled if takes_updates else 0,
            "quorum": current.quorum,
            "invited": glance.invited,
            "accepted": glance.accepted,
            "failed": glance.failed,
            "late": glance.late,
            "scores": _newest_scores(ledger, current),
        }
    return summary


def _seconds_left(ledger: RunViews, current: RoundState) -> float:
    """The seconds to the round's deadline: from now on, or from the moment at which it was suspended."""
    return (current.deadline_at - (current.suspended_at or ledger.now())).total_seconds()


def _failing_steps(ledger: RunViews, run: Run) -> list[StepFailure]:
    """The newest failures of steps of the run, of its current round and of earlier rounds that are still being evaluated."""
    if run.phase in ENDED - {RunPhase.DELETING}:
        return []
    rounds = {*run.evaluating, run.round}
    # Each answer has the failures of the run itself too.
    found = {failure.step: failure for number in rounds for failure in reversed(ledger.failures(run.id, number))}
    return newest_first(found.values())[:NAMED_FAILURES]


def _newest_scores(ledger: RunViews, current: RoundState) -> Scores | None:
    """The scores of the current round, or else of the newest scored round among those that it builds on."""
    state = current
    try:
        while state.scores is None and state.base is not None:
            state = ledger.round_summary(state.run_id, state.base).round
    except (NotFoundError, *UNREADABLE):  # a restored ledger lacks the round
        return None
    return state.scores
