"""A fact arrives: load the run, apply it, store by compare-and-set, proceed. Only control changes phases."""

from __future__ import annotations

import structlog
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from fedface_control.close_round import record_aggregation
from fedface_control.end_run import fail
from fedface_control.finish_round import abandon_round, finish_round
from fedface_control.proceed import at_once, only_store, proceed
from fedface_core.domain import run as runs
from fedface_core.domain.errors import StaleVersionError
from fedface_core.domain.facts import (
    EvaluationSkipped,
    Fact,
    ModelPrepared,
    RoundAggregated,
    RoundEvaluated,
    RoundReady,
    StepFailed,
)
from fedface_core.domain.round import ENDED_ROUND, ready_to_close
from fedface_core.domain.run import ENDED, Run
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)

# Another fact, the sweep or an operator was faster: load the run again, and decide again.
decide_again = retry(
    retry=retry_if_exception_type(StaleVersionError),
    wait=wait_random_exponential(multiplier=0.01, max=1),
    stop=stop_after_attempt(10),
    reraise=True,
)


@decide_again
def handle_fact(ports: Ports, fact: Fact) -> None:
    """Move the fact's run on. A fact about an ended run, or one that was handled before, changes nothing."""
    run = ports.ledger.load(fact.run_id)
    if run.phase in ENDED:
        log.info("fact_ignored", fact=fact.kind, run_phase=run.phase)
        return
    fact_round = None if isinstance(fact, ModelPrepared) else fact.round
    moved = _applied(ports, run, fact)
    if moved is not None:
        # What the current round asks for is under way where the fact was about an earlier one.
        proceed(ports, moved, only_store if fact_round in run.evaluating else at_once)


def _applied(ports: Ports, run: Run, fact: Fact) -> Run | None:
    """The run after the fact; None where it changes nothing."""
    match fact:
        case ModelPrepared():
            if run.model_sha256 is not None:
                return None
            return ports.ledger.save(runs.with_model(run, fact.model_sha256), "model_prepared")
        case RoundReady():
            current, tally = ports.ledger.load_round(run.id, fact.round), ports.ledger.tally(run.id, fact.round)
            return run if ready_to_close(current, tally, ports.clock.now()) else None
        case RoundAggregated():
            return record_aggregation(ports, run, fact)
        case RoundEvaluated() | EvaluationSkipped():
            return finish_round(ports, run, fact)
        case StepFailed():
            return _failed(ports, run, fact)


def _failed(ports: Ports, run: Run, fact: StepFailed) -> Run | None:
    """End the round or the run, unless a repetition of the step has succeeded meanwhile: then the run has moved on."""
    if fact.round in run.evaluating:
        return fail(ports, run, f"round {fact.round}: {fact.reason}")
    current = ports.ledger.load_round(run.id, run.round) if run.round is not None else None
    if fact.round != run.round or (current and current.phase in ENDED_ROUND) or (not current and run.model_sha256):
        log.info("failure_outlived", failed_round=fact.round, reason=fact.reason)
        return None
    if current and fact.fresh_cohort_may_help:
        return abandon_round(ports, run, current, fact.reason)
    return fail(ports, run, fact.reason if fact.round is None else f"round {fact.round}: {fact.reason}")
