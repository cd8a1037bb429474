"""A round is aggregated: the evaluator scores its model version. In an asynchronous run the next round opens meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from fedface_control.phases.ended import stop_reason
from fedface_control.phases.open import open_training_round
from fedface_control.phases.phase import Snapshot
from fedface_control.publish import MayPublish, PendingWork, publish_commands
from fedface_control.records import save_ended_round
from fedface_core.contracts.tasks import CONTROL, EVALUATOR, device_queue
from fedface_core.domain.commands import Command, EvaluateModel, HandleFact
from fedface_core.domain.facts import EvaluationSkipped, RoundEvaluated
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase, RoundState, Tally
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def next_step(ports: Ports, snapshot: Snapshot) -> Run | None:
    """In an asynchronous run, open the next round without waiting for the scores. Else None: the round waits for them."""
    if not _opens_next_round(ports, snapshot):
        return None
    assert snapshot.round.aggregation is not None, "what is evaluated was aggregated"
    run = snapshot.run.starting_from_unscored(snapshot.round.number, snapshot.round.aggregation.model_sha256)
    run = open_training_round(ports, run)
    publish(ports, Snapshot(run, snapshot.round, snapshot.tally))
    return run


def work_queue(plan: Plan, current: RoundState) -> str:
    """The evaluator's queue for the plan's device, or control's own queue if the evaluation is to be skipped."""
    return CONTROL if current.skip_evaluation else device_queue(EVALUATOR, plan.compute.device)


def commands(plan: Plan, current: Round, _tally: Tally) -> Sequence[Command]:
    """Score the model version. If an operator skips the evaluation, tell control that there will be no scores."""
    run_id = current.run_id
    if current.skip_evaluation:
        return [HandleFact(run_id=run_id, fact=EvaluationSkipped(run_id=run_id, round=current.number))]
    return [EvaluateModel(run_id=run_id, round=current.number, device=plan.compute.device)]


def publish(ports: Ports, snapshot: Snapshot) -> None:
    """Publish the evaluator's task, or control's own fact if the evaluation is skipped."""
    publish_commands(ports, snapshot.run, snapshot.round, commands(snapshot.run.plan, snapshot.round, snapshot.tally))


def publish_for_earlier_rounds(ports: Ports, run: Run, may_publish: MayPublish) -> None:
    """Publish again the tasks for earlier rounds whose scores the run did not wait for, if ``may_publish`` allows it."""
    for number in run.evaluating:
        unscored = ports.ledger.load_round(run.id, number)
        tally = ports.ledger.tally(run.id, number)
        if may_publish(PendingWork(unscored.phase, work_queue(run.plan, unscored), tally.last_activity)):
            publish(ports, Snapshot(run, unscored, tally))


def evaluation_ended(ports: Ports, run: Run, fact: RoundEvaluated | EvaluationSkipped) -> Run | None:
    """Put the round's manifest, record the round as finished, and return the run as stored.

    None if the round has finished already, if the fact scores another model version, or if nobody skips the evaluation any
    more.
    """
    current = ports.ledger.load_round(run.id, fact.round)
    if current.phase is not RoundPhase.EVALUATING:
        return None
    assert current.aggregation is not None, "evaluated after it was aggregated"
    model_sha256 = current.aggregation.model_sha256
    finished = _finished(ports, current, fact, model_sha256)
    if finished is None:
        return None
    if fact.round not in run.evaluating:  # otherwise the next round has begun already
        run = run.starting_from(fact.round, model_sha256)
    run = save_ended_round(ports, run.with_finished_round(fact.round), "round_finished", finished)
    if finished.scores is None:
        log.info("round_finished", round=fact.round, evaluation="skipped")
    else:
        scores = finished.scores
        log.info("round_finished", round=fact.round, tar=scores.tar, auc=scores.auc, eer=scores.eer)
    return run


def _finished(ports: Ports, current: Round, fact: RoundEvaluated | EvaluationSkipped, model_sha256: str) -> Round | None:
    match fact:
        case RoundEvaluated() if fact.model_sha256 != model_sha256:
            log.warning("fact_ignored", fact=fact.kind, reason="it scores another model version than the round's")
            return None
        case RoundEvaluated():
            return current.evaluated(fact.scores, ports.clock.now())
        case EvaluationSkipped() if not current.skip_evaluation:
            log.warning("fact_ignored", fact=fact.kind, reason="nobody asks any more to skip the evaluation")
            return None
        case EvaluationSkipped():
            return current.finished_unscored(ports.clock.now())


def _opens_next_round(ports: Ports, snapshot: Snapshot) -> bool:
    """Whether the next round opens now: in an asynchronous run, unless the run is about to pause or to stop."""
    if not snapshot.run.plan.aggregation.is_asynchronous or snapshot.run.phase is RunPhase.PAUSING:
        return False
    return stop_reason(ports, snapshot.run, snapshot.run.trained_rounds(snapshot.round.number)) is None
