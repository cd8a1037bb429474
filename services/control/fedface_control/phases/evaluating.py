"""A round is aggregated: the evaluator scores its model version. Asynchronously the next round opens meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from fedface_control.phases.ended import why_stop
from fedface_control.phases.open import open_training_round
from fedface_control.phases.phase import Standing
from fedface_control.publish import MayPublish, Waiting, publish_commands
from fedface_control.records import save_ended
from fedface_core.contracts.tasks import CONTROL, EVALUATOR
from fedface_core.domain.commands import Command, EvaluateModel, HandleFact
from fedface_core.domain.facts import EvaluationSkipped, RoundEvaluated
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase, Tally
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def next_step(ports: Ports, at: Standing) -> Run | None:
    """Asynchronously, open the next round without waiting for the scores. Else None: the round waits for its scores."""
    if not _next_may_begin(ports, at):
        return None
    assert at.round.aggregation is not None, "what is evaluated was aggregated"
    run = at.run.starting_from_unscored(at.round.number, at.round.aggregation.model_sha256)
    run = open_training_round(ports, run)
    ask(ports, Standing(run, at.round, at.tally))
    return run


def waits_for(current: Round) -> str:
    """The evaluator works on an aggregated round, or control itself if the evaluation is to be skipped."""
    return CONTROL if current.skip_evaluation else EVALUATOR


def commands(_plan: Plan, current: Round, _tally: Tally) -> Sequence[Command]:
    """Score the model version; or tell control that it is not scored, if an operator has asked for that."""
    run_id = current.run_id
    if current.skip_evaluation:
        return [HandleFact(run_id=run_id, fact=EvaluationSkipped(run_id=run_id, round=current.number))]
    return [EvaluateModel(run_id=run_id, round=current.number)]


def ask(ports: Ports, at: Standing) -> None:
    """Publish the evaluator's task."""
    publish_commands(ports, at.run, at.round, commands(at.run.plan, at.round, at.tally))


def ask_for_earlier_rounds(ports: Ports, run: Run, may_publish: MayPublish) -> None:
    """Ask again for the scores of earlier rounds that the run did not wait for."""
    for number in run.evaluating:
        waiting = ports.ledger.load_round(run.id, number)
        tally = ports.ledger.tally(run.id, number)
        if may_publish(Waiting(waiting.phase, waits_for(waiting), tally.last_activity)):
            ask(ports, Standing(run, waiting, tally))


def evaluation_ended(ports: Ports, run: Run, fact: RoundEvaluated | EvaluationSkipped) -> Run | None:
    """Finish the round: the manifest first, then the ledger. None if the fact is old, or about another model version."""
    current = ports.ledger.load_round(run.id, fact.round)
    if current.phase is not RoundPhase.EVALUATING:
        return None
    assert current.aggregation is not None, "evaluated after it was aggregated"
    model_sha256 = current.aggregation.model_sha256
    finished = _finished(ports, current, fact, model_sha256)
    if finished is None:
        return None
    if fact.round not in run.evaluating:  # else the next round has begun already
        run = run.starting_from(fact.round, model_sha256)
    run = save_ended(ports, run.with_finished_round(fact.round), "round_finished", finished)
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


def _next_may_begin(ports: Ports, at: Standing) -> bool:
    """Asynchronously the next round waits for no scores, unless this was the last one or a pause is asked for."""
    if not at.run.plan.aggregation.is_asynchronous or at.run.phase is RunPhase.PAUSING:
        return False
    return why_stop(ports, at.run, at.run.trained_rounds(at.round.number)) is None
