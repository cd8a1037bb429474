"""The rounds of a run: show them, close one early, retry one with a fresh cohort, skip an evaluation."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from fedface_control.api.routes.runs import UNKNOWN_RUN, WRONG_PHASE, KeyHeader, PortsDep, RunIdPath
from fedface_control.api.views import round_view, run_detail
from fedface_control.auth.roles import Role, requires
from fedface_control.operate import round as operate_round
from fedface_control.readable_rounds import readable_rounds
from fedface_core.contracts import object_keys
from fedface_core.contracts.http import RoundList, RunDetail
from fedface_core.domain.results import VerificationReport
from fedface_core.signing.life import working_for

NumberPath = Annotated[int, Path(ge=0, le=1_000_000, description="The round's number; round 0 is enrolment.")]

router = APIRouter(prefix="/runs/{run_id}/rounds", tags=["rounds"])


@router.get("", responses=UNKNOWN_RUN, dependencies=[requires(Role.VIEWER)])
def rounds(run_id: RunIdPath, ports: PortsDep) -> RoundList:
    """List the run's rounds, with the results of each aggregation and the scores of each model version."""
    readable, unreadable = readable_rounds(ports.ledger, ports.ledger.load(run_id))
    return RoundList(rounds=[round_view(ports.ledger, glance) for glance in readable], unreadable=unreadable)


@router.get("/{number}/report", responses=UNKNOWN_RUN, dependencies=[requires(Role.VIEWER)])
def report(run_id: RunIdPath, number: NumberPath, ports: PortsDep) -> VerificationReport:
    """Show the verification report of a round: its scores and its ROC curve."""
    run = ports.ledger.load(run_id)
    with working_for(run.correlation_id):
        return VerificationReport.model_validate_json(ports.artifacts.get(object_keys.report(run_id, number)))


@router.post("/{number}/close", responses=UNKNOWN_RUN | WRONG_PHASE, dependencies=[requires(Role.OPERATOR)])
def close(run_id: RunIdPath, number: NumberPath, ports: PortsDep, key: KeyHeader = None) -> RunDetail:
    """Close the open round now with the updates accepted so far, which must be at least the minimum."""
    return run_detail(ports.ledger, operate_round.close_round_early(ports, run_id, number, key))


@router.post("/{number}/retry", responses=UNKNOWN_RUN | WRONG_PHASE, dependencies=[requires(Role.OPERATOR)])
def retry(run_id: RunIdPath, number: NumberPath, ports: PortsDep, key: KeyHeader = None) -> RunDetail:
    """Abandon the round, and open another round with a fresh cohort from the same model version."""
    return run_detail(ports.ledger, operate_round.retry_round(ports, run_id, number, key))


@router.post("/{number}/skip-evaluation", responses=UNKNOWN_RUN | WRONG_PHASE, dependencies=[requires(Role.OPERATOR)])
def skip(run_id: RunIdPath, number: NumberPath, ports: PortsDep, key: KeyHeader = None) -> RunDetail:
    """Do not score the round's model version: the round finishes as soon as it is aggregated."""
    return run_detail(ports.ledger, operate_round.skip_evaluation(ports, run_id, number, key))
