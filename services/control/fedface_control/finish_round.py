"""Ends a round, finished or abandoned: the manifest first, then the ledger. The next cohort starts from a finished one."""

from __future__ import annotations

import structlog

from fedface_control.records import save_ended, store
from fedface_core.domain import run as runs
from fedface_core.domain.facts import EvaluationSkipped, RoundEvaluated
from fedface_core.domain.round import Round, abandon, advance
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def finish_round(ports: Ports, run: Run, fact: RoundEvaluated | EvaluationSkipped) -> Run | None:
    """Store the round as finished. None where the fact is old: reported before, or of another model version."""
    current = ports.ledger.load_round(run.id, fact.round)
    finished = advance(current, fact, ports.clock.now())
    if finished.phase is current.phase:
        return None
    assert finished.aggregation is not None, "evaluated after it was aggregated"
    model_sha256 = finished.aggregation.model_sha256
    if isinstance(fact, RoundEvaluated) and fact.model_sha256 != model_sha256:
        log.warning("fact_ignored", fact=fact.kind, reason="it scores another model version than the round's")
        return None
    if isinstance(fact, EvaluationSkipped) and not current.skip_evaluation:
        log.warning("fact_ignored", fact=fact.kind, reason="nobody asks any more to skip the evaluation")
        return None
    if fact.round not in run.evaluating:  # else the next round has begun already
        run = runs.start_from(run, fact.round, model_sha256)
    run = runs.round_finished(run, fact.round)
    run = save_ended(ports, run, "round_finished", finished)
    if finished.scores is None:
        log.info("round_finished", round=fact.round, evaluation="skipped")
    else:
        scores = finished.scores
        log.info("round_finished", round=fact.round, tar=scores.tar, auc=scores.auc, eer=scores.eer)
    return run


def abandon_round(ports: Ports, run: Run, current: Round, because: str, *, by_operator: bool = False) -> Run:
    """Give the round up. A fresh cohort follows, unless it was enrolment or one too many in a row: then the run fails."""
    now = ports.clock.now()
    abandoned = abandon(current, now, because)
    if not by_operator:
        run = runs.round_abandoned(run)
    retries = run.plan.cohort.retries
    if current.number == 0 or run.abandoned_in_a_row > retries:
        in_a_row = f"; {run.abandoned_in_a_row} rounds in a row were abandoned" if current.number and retries else ""
        run = runs.end(run, RunPhase.FAILED, now, failure=f"round {current.number}: {because}{in_a_row}")
    run = store(ports, run, "round_abandoned", changed=abandoned, detail={"because": because})
    log.warning("round_abandoned", round=current.number, reason=because, run_phase=run.phase)
    return run
