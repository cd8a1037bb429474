"""The rounds of a run: show them, close one early, retry one with a fresh cohort, skip an evaluation."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from fedface_control.api.entity_tags import IfNoneMatch, entity_tag, unchanged
from fedface_control.api.routes.runs import UNKNOWN_RUN, WRONG_PHASE, KeyHeader, PortsDep, Responses, RunIdPath
from fedface_control.api.views import round_view, run_detail
from fedface_control.auth.roles import Role, requires
from fedface_control.operate import round as operate_round
from fedface_core.contracts import object_keys
from fedface_core.contracts.http import RoundList, RoundView, RunDetail
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.results import VerificationReport
from fedface_core.runtime.readable_rounds import readable_rounds
from fedface_core.signing.life import working_for

MOST_NUMBER = 1_000_000
UNCHANGED: Responses = {304: {"description": "The client has this answer already: `If-None-Match` names it."}}
NumberPath = Annotated[int, Path(ge=0, le=MOST_NUMBER, description="The round's number; round 0 is enrolment.")]

router = APIRouter(prefix="/runs/{run_id}/rounds", tags=["rounds"])


@router.get("", responses=UNKNOWN_RUN, dependencies=[requires(Role.VIEWER)])
def list_rounds(
    run_id: RunIdPath,
    ports: PortsDep,
    after: Annotated[
        int | None, Query(ge=0, le=MOST_NUMBER, description="A round's number: only later rounds are listed.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many rounds at most.")] = 1000,
) -> RoundList:
    """List the run's rounds, with the results of each aggregation and the scores of each model version."""
    # One more than the page has, which tells whether there is a next page.
    readable, unreadable = readable_rounds(ports.ledger, ports.ledger.load(run_id), after, limit + 1)
    numbers = sorted([*(glance.round.number for glance in readable), *unreadable])
    last = numbers[limit - 1] if len(numbers) > limit else None
    return RoundList(
        rounds=[round_view(ports.ledger, glance) for glance in readable if last is None or glance.round.number <= last],
        unreadable={number: why for number, why in unreadable.items() if last is None or number <= last},
        next=last,
    )


@router.get("/{number}", responses=UNKNOWN_RUN, dependencies=[requires(Role.VIEWER)])
def get_round(run_id: RunIdPath, number: NumberPath, ports: PortsDep) -> RoundView:
    """Show one round of a run."""
    return round_view(ports.ledger, ports.ledger.round_summary(run_id, number))


@router.get(
    "/{number}/report",
    response_model=VerificationReport,
    responses=UNKNOWN_RUN | UNCHANGED,
    dependencies=[requires(Role.VIEWER)],
)
def get_round_report(run_id: RunIdPath, number: NumberPath, ports: PortsDep, known: IfNoneMatch = None) -> Response:
    """Show the verification report of a round: its scores and its ROC curve."""
    run = ports.ledger.load(run_id)
    with working_for(run.correlation_id):
        report = read_versioned(VerificationReport, ports.artifacts.get(object_keys.report(run_id, number)))
    body = report.model_dump_json().encode()
    etag = entity_tag(hashlib.sha256(body).hexdigest())
    return unchanged(known, etag) or Response(body, media_type="application/json", headers={"ETag": etag})


@router.post("/{number}/close", responses=UNKNOWN_RUN | WRONG_PHASE, dependencies=[requires(Role.OPERATOR)])
def close_round(run_id: RunIdPath, number: NumberPath, ports: PortsDep, key: KeyHeader = None) -> RunDetail:
    """Close the open round now with the updates accepted so far, which must be at least the minimum."""
    return run_detail(ports, operate_round.close_round_early(ports, run_id, number, key))


@router.post("/{number}/retry", responses=UNKNOWN_RUN | WRONG_PHASE, dependencies=[requires(Role.OPERATOR)])
def retry_round(run_id: RunIdPath, number: NumberPath, ports: PortsDep, key: KeyHeader = None) -> RunDetail:
    """Abandon the round, and open another round with a fresh cohort from the same model version."""
    return run_detail(ports, operate_round.retry_round(ports, run_id, number, key))


@router.post("/{number}/skip-evaluation", responses=UNKNOWN_RUN | WRONG_PHASE, dependencies=[requires(Role.OPERATOR)])
def skip_evaluation(run_id: RunIdPath, number: NumberPath, ports: PortsDep, key: KeyHeader = None) -> RunDetail:
    """Do not score the round's model version: the round finishes as soon as it is aggregated."""
    return run_detail(ports, operate_round.skip_evaluation(ports, run_id, number, key))
