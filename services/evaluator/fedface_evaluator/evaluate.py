"""Scores a round's model version on the test identities, which no client holds."""

from __future__ import annotations

import structlog

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import EvaluateModel
from fedface_core.domain.errors import DamagedObjectError, InvalidInputError
from fedface_core.domain.facts import RoundEvaluated, StepFailed
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import VerificationReport
from fedface_core.domain.round import Round, RoundPhase
from fedface_learning.device import prepare_device
from fedface_learning.evaluation.verification import evaluate
from fedface_worker.failing_steps import counts_failures, failed_step
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


@counts_failures
def evaluate_model(workbench: Workbench, command: EvaluateModel, correlation_id: str) -> None:
    """Score a round's model version, put the verification report, and report its scores to control.

    A task that is delivered again finds the report and only sends its scores again. If the test identities cannot be scored,
    the failed step is reported, which ends the run.
    """
    ports = workbench.ports
    run = command.run_id
    number = command.round
    current = ports.ledger.load_round(run, number)
    if current.phase is not RoundPhase.EVALUATING:
        log.info("nothing_to_do", round_phase=current.phase)
        return
    fact: RoundEvaluated | StepFailed
    try:
        report = workbench.stored(object_keys.report(run, number), VerificationReport)
        if report is None or report.model_sha256 != _model_of(current):
            report = score(workbench, workbench.plan(run, correlation_id), current)
            ports.artifacts.put(object_keys.report(run, number), report.model_dump_json().encode())
        log.info("model_evaluated", auc=report.scores.auc, eer=report.scores.eer)
        fact = RoundEvaluated(run_id=run, round=number, model_sha256=report.model_sha256, scores=report.scores)
    except (InvalidInputError, DamagedObjectError) as error:
        fact = failed_step(command, "the test identities cannot be scored", error)
    workbench.report(fact, correlation_id)


def _model_of(current: Round) -> str:
    assert current.aggregation is not None, "a round is evaluated after it was aggregated"
    return current.aggregation.model_sha256


def score(workbench: Workbench, plan: Plan, current: Round) -> VerificationReport:
    """Make the verification report of the round's model version on the test identities. Nothing is put into the store.

    `InvalidInputError` if the photographs cannot be read, have too few pairs, or are of other people than when the run was
    prepared; `DamagedObjectError` if the model version is damaged.
    """
    model_sha256 = _model_of(current)
    photographs = workbench.photographs(plan, current)
    network = workbench.models.network(plan.model, model_sha256, prepare_device(plan.compute))
    verification = evaluate(network, photographs.dataset, photographs.split.test, plan.far)
    return VerificationReport(
        run_id=current.run_id,
        round=current.number,
        model_sha256=model_sha256,
        scores=verification.scores,
        roc=verification.roc,
        thresholds=dict(verification.thresholds),
        cosines=verification.cosines,
    )
