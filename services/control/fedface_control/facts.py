"""Handling a fact: load the run, let the phase that waits for the fact record it, proceed. Only control changes phases."""

from __future__ import annotations

import structlog

from fedface_control.compare_and_set import retry_if_stale
from fedface_control.failing import counting_failures_of_fact
from fedface_control.halt import abandon_round, fail
from fedface_control.phases import aggregating, evaluating, handing_on, preparing
from fedface_control.phases import open as open_phase
from fedface_control.proceed import proceed
from fedface_control.publish import publish_always, publish_never
from fedface_core.domain.commands import HandleFact
from fedface_core.domain.facts import (
    Change,
    EvaluationSkipped,
    Fact,
    IdentitiesListed,
    ModelPrepared,
    OwnedStep,
    RoundAggregated,
    RoundEvaluated,
    RoundReady,
    SharesHandedOn,
    StepFailed,
    StepFailing,
    Waiting,
)
from fedface_core.domain.round import ENDED_ROUND, Round, RoundPhase
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.ports import Ports
from fedface_core.runtime.trail_notes import write_note

log = structlog.get_logger(__name__)


def handle_fact_of_its_run(ports: Ports, command: HandleFact, correlation_id: str) -> None:
    """Handle a fact that came with this correlation id, unless that is another life of the run than the ledger's.

    A deleted run that is created again has its old id. Signed messages of its earlier life may still be about.
    """
    if ports.ledger.load(command.run_id).correlation_id != correlation_id or command.fact.run_id != command.run_id:
        log.warning("fact_ignored", fact=command.fact.kind, reason="it is about another run, or another life of this one")
        return
    handle_fact(ports, command.fact)


def handle_fact(ports: Ports, fact: Fact) -> None:
    """Record the fact, and take the steps that follow. `NotFoundError` if the ledger does not have the run.

    A fact that was handled before, or whose run has not started or has ended, changes nothing. An unexpected error is
    counted, and raised; too many fail the run.
    """
    with counting_failures_of_fact(ports, fact):
        handle(ports, fact)


@retry_if_stale
def handle(ports: Ports, fact: Fact) -> None:
    """Handle the fact as `handle_fact` does, but count no error."""
    run = ports.ledger.load(fact.run_id)
    if run.phase in ENDED or run.phase is RunPhase.CREATED:
        log.info("fact_ignored", fact=fact.kind, run_phase=run.phase)
        return
    if isinstance(fact, StepFailing | Waiting):
        write_note(ports.ledger, run, fact)
        return
    changed = _apply(ports, run, fact)
    if changed is None:
        return
    # What the run waits for next is under way: the rest of its preparation; the rosters of the other shards; or, if the fact
    # is about an earlier round, the commands of the current one.
    under_way = isinstance(fact, ModelPrepared | IdentitiesListed | SharesHandedOn) or fact.round in run.evaluating
    proceed(ports, changed, publish_never if under_way else publish_always)


def _apply(ports: Ports, run: Run, fact: Change) -> Run | None:
    """Record the fact, and return the run as stored; None if the fact changes nothing."""
    match fact:
        case ModelPrepared():
            return preparing.model_prepared(ports, run, fact)
        case IdentitiesListed():
            return preparing.identities_listed(ports, run, fact)
        case RoundReady():
            return open_phase.round_ready(ports, run, fact)
        case SharesHandedOn():
            return handing_on.shares_handed_on(ports, run, fact)
        case RoundAggregated():
            return aggregating.round_aggregated(ports, run, fact)
        case RoundEvaluated() | EvaluationSkipped():
            return evaluating.evaluation_ended(ports, run, fact)
        case StepFailed():
            return _step_failed(ports, run, fact)


def _step_failed(ports: Ports, run: Run, fact: StepFailed) -> Run | None:
    """Abandon the round or fail the run, unless a repetition of the step has succeeded meanwhile, or nobody asked for it."""
    if fact.round in run.evaluating and fact.step in (None, OwnedStep.EVALUATE_MODEL):
        return fail(ports, run, f"round {fact.round}: {fact.reason}")
    current = ports.ledger.load_round(run.id, run.round) if run.round is not None else None
    if fact.round != run.round or not _waits_for(run, current, fact.step):
        log.info("failure_outlived", failed_round=fact.round, step=fact.step, reason=fact.reason)
        return None
    if current and fact.fresh_cohort_may_help:
        return abandon_round(ports, run, current, fact.reason)
    return fail(ports, run, fact.reason if fact.round is None else f"round {fact.round}: {fact.reason}")


def _waits_for(run: Run, current: Round | None, step: OwnedStep | None) -> bool:
    """Whether the run, in its ``current`` round, waits for this step. So a service can fail only what it is asked for."""
    match step:
        case None:  # a fact of an earlier version
            return current.phase not in ENDED_ROUND if current else not run.is_prepared
        case OwnedStep.PREPARE_MODEL:
            return run.model_sha256 is None
        case OwnedStep.LIST_IDENTITIES:
            return run.identity_list_sha256 is None
        case OwnedStep.HAND_ON_SHARES:
            return current is not None and current.phase is RoundPhase.HANDING_ON
        case OwnedStep.FOLD_SHARD:
            return current is not None and current.phase in (RoundPhase.OPEN, RoundPhase.SUSPENDED, RoundPhase.AGGREGATING)
        case OwnedStep.REDUCE_ROUND:
            return current is not None and current.phase is RoundPhase.AGGREGATING
        case OwnedStep.EVALUATE_MODEL:
            return current is not None and current.phase is RoundPhase.EVALUATING
