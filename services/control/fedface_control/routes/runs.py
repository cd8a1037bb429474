"""Runs: create, start, cancel, look."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response, status

from fedface_control.operate_run import cancel_run, create_run, start_run
from fedface_control.views import round_view, run_detail, run_summary
from fedface_core.contracts import object_keys
from fedface_core.contracts.http import Problem, Report, RoundList, RunDetail, RunList
from fedface_core.domain.plan import Plan
from fedface_core.ports import Ports

Responses = dict[int | str, dict[str, Any]]

UNKNOWN_RUN: Responses = {404: {"model": Problem, "description": "There is no such run."}}
WRONG_PHASE: Responses = {
    409: {
        "model": Problem,
        "description": "The run's phase does not allow it; the detail names the phase and what it allows.",
    }
}
INVALID: Responses = {422: {"model": Problem, "description": "The plan is wrong; `errors` names each field."}}

PLAN_EXAMPLES = {
    "orl": {
        "summary": "Forty real people: 20 clients, 20 test identities, dlib's pre-trained network",
        "value": {
            "name": "orl",
            "model": {"architecture": "dlib-resnet"},
            "data": {"dataset": "orl"},
            "split": {"clients": 20, "test": 20},
            "local_training": {"steps": 3, "learning_rate": 1e-4},
            "rounds": 6,
        },
    },
    "synthetic": {
        "summary": "Small and quick: rendered faces, a small SphereNet from random weights",
        "value": {
            "name": "synthetic",
            "model": {
                "architecture": "spherenet-4",
                "height": 56,
                "width": 48,
                "channels": 1,
                "embedding_size": 64,
                "widths": [8, 16, 32, 64],
            },
            "data": {"dataset": "synthetic", "images_per_identity": 6},
            "split": {"clients": 12, "test": 8},
            "rounds": 2,
        },
    },
}


def ports_of(request: Request) -> Ports:
    """The ports that the app was made with."""
    ports: Ports = request.app.state.ports
    return ports


PortsDep = Annotated[Ports, Depends(ports_of)]
router = APIRouter(prefix="/runs", tags=["runs"])


@router.post("", status_code=status.HTTP_201_CREATED, responses=INVALID)
def create(plan: Annotated[Plan, Body(openapi_examples=PLAN_EXAMPLES)], ports: PortsDep, response: Response) -> RunDetail:
    """Create a run of a plan. It waits for its start."""
    run = create_run(ports, plan)
    response.headers["Location"] = f"/runs/{run.id}"
    return run_detail(ports.ledger, run)


@router.post("/{run_id}/start", responses=UNKNOWN_RUN | WRONG_PHASE)
def start(run_id: str, ports: PortsDep) -> RunDetail:
    """Start a created run: the initial model is prepared, the clients enrol, and the rounds follow."""
    return run_detail(ports.ledger, start_run(ports, run_id))


@router.post("/{run_id}/cancel", responses=UNKNOWN_RUN | WRONG_PHASE)
def cancel(run_id: str, ports: PortsDep) -> RunDetail:
    """End a run now. What is stored stays; updates still under way are refused."""
    return run_detail(ports.ledger, cancel_run(ports, run_id))


@router.get("")
def list_runs(ports: PortsDep, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> RunList:
    """The newest runs, newest first."""
    return RunList(runs=[run_summary(ports.ledger, run) for run in ports.ledger.runs()[:limit]])


@router.get("/{run_id}", responses=UNKNOWN_RUN)
def show(run_id: str, ports: PortsDep) -> RunDetail:
    """A run: phase, round, accepted and invited, newest scores, plan."""
    return run_detail(ports.ledger, ports.ledger.load(run_id))


@router.get("/{run_id}/rounds", responses=UNKNOWN_RUN)
def rounds(run_id: str, ports: PortsDep) -> RoundList:
    """The run's rounds, with what was aggregated and how each model version scored."""
    ports.ledger.load(run_id)
    return RoundList(rounds=[round_view(ports.ledger, shown) for shown in ports.ledger.rounds(run_id)])


@router.get("/{run_id}/rounds/{number}/report", responses=UNKNOWN_RUN)
def report(run_id: str, number: int, ports: PortsDep) -> Report:
    """The evaluator's report of a round: scores and ROC curve."""
    ports.ledger.load(run_id)
    return Report.model_validate_json(ports.artifacts.get(object_keys.report(run_id, number)))
