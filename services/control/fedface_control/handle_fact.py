"""A fact arrives: load the run, apply it, store by compare-and-set, publish. Only control changes phases."""

from __future__ import annotations

import structlog
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from fedface_control.close_round import close_round, pass_to_evaluator
from fedface_control.finish_round import finish_round
from fedface_control.open_round import open_enrolment
from fedface_control.prompt import give_up
from fedface_core.domain import run as runs
from fedface_core.domain.errors import StaleVersionError
from fedface_core.domain.events import (
    Fact,
    ModelPrepared,
    RoundAggregated,
    RoundEvaluated,
    RoundReady,
    StepFailed,
)
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


@retry(
    retry=retry_if_exception_type(StaleVersionError),  # another fact, the sweep or an operator was faster: decide again
    wait=wait_random_exponential(multiplier=0.01, max=1),
    stop=stop_after_attempt(10),
    reraise=True,
)
def handle_fact(ports: Ports, fact: Fact) -> None:
    """Move the fact's run on. A fact about an ended run, or one that was handled before, changes nothing."""
    run = ports.ledger.load(fact.run_id)
    if run.phase in ENDED:
        log.info("fact_ignored", fact=fact.kind, run_phase=run.phase)
        return
    match fact:
        case ModelPrepared():
            open_enrolment(ports, run, fact)
        case RoundReady():
            close_round(ports, run, fact)
        case RoundAggregated():
            pass_to_evaluator(ports, run, fact)
        case RoundEvaluated():
            finish_round(ports, run, fact)
        case StepFailed():
            _fail(ports, run, fact)


def _fail(ports: Ports, run: Run, fact: StepFailed) -> None:
    """End the run, unless a repetition of the step has succeeded meanwhile: then the run has moved on."""
    current = ports.ledger.load_round(run.id, run.round) if run.round is not None else None
    if fact.round != run.round or (current and current.phase is RoundPhase.FINISHED):
        log.info("failure_outlived", failed_round=fact.round, reason=fact.reason)
        return
    log.error("run_failed", reason=fact.reason)
    if current:
        give_up(ports, run, current, fact.reason)
    else:
        ports.ledger.save(runs.end(run, RunPhase.FAILED, ports.clock.now(), failure=fact.reason), "run_failed")
