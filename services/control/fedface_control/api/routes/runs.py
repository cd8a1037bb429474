"""Runs: create, clone, start, pause, resume, cancel, delete, restore and show them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from fedface_control import run_listing
from fedface_control.api.views import run_detail, run_summaries
from fedface_control.auth.roles import Role, requires
from fedface_control.operate import run as operate_run
from fedface_control.operate.quota import Quota
from fedface_control.run_listing import RunFilter
from fedface_control.upkeep import restore
from fedface_core.contracts.http import V1, Problem, RestoredRuns, RunDetail, RunList
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

LONGEST_ID = 100
"""Characters of an id in a request. Ours have 16, and what is longer is none."""
LONGEST_TEXT = 200
"""Characters of what a list is filtered by."""

Responses = dict[int | str, dict[str, Any]]

UNKNOWN_RUN: Responses = {404: {"model": Problem, "description": "There is no such run."}}
WRONG_PHASE: Responses = {
    409: {
        "model": Problem,
        "description": "The phase does not allow the action. The detail names the phase and the actions that it allows.",
    }
}
GONE: Responses = {204: {"description": "The record of the run could not be read; the run is removed."}}
BUSY: Responses = {
    503: {"model": Problem, "description": "The API serves as many as it can. `Retry-After` says when to ask again."}
}
LOST: Responses = {
    409: {
        "model": Problem,
        "description": "The ledger has as many runs as it may hold, or it has lost the run that the key has created. The "
        "detail says what to do.",
    }
}
INVALID: Responses = {422: {"model": Problem, "description": "The input is not valid. `errors` names each wrong field."}}

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


CHANGES_EXAMPLE = {
    "longer": {"summary": "More rounds, with another seed", "value": {"rounds": 20, "seed": 1, "stop": {"patience": None}}}
}


async def ports_of(request: Request) -> Ports:  # async, so that no request goes through one more thread
    """The ports that the app was created with."""
    ports: Ports = request.app.state.ports
    return ports


async def quota_of(request: Request) -> Quota:
    """The quota that the app was created with."""
    quota: Quota = request.app.state.quota
    return quota


QuotaDep = Annotated[Quota, Depends(quota_of)]
PortsDep = Annotated[Ports, Depends(ports_of)]
KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern="^[ -~]+$",
        description="A name for the request in printable ASCII, so that sending the request again changes nothing.",
    ),
]
RunIdPath = Annotated[str, Path(max_length=LONGEST_ID, description="The run's id.")]
router = APIRouter(tags=["runs"])


@router.post("/runs", status_code=status.HTTP_201_CREATED, responses=LOST | INVALID, dependencies=[requires(Role.OPERATOR)])
def create_run(
    plan: Annotated[Plan, Body(openapi_examples=PLAN_EXAMPLES)],
    request: Request,
    ports: PortsDep,
    quota: QuotaDep,
    response: Response,
    key: KeyHeader = None,
) -> RunDetail:
    """Create a run of a plan. The run does nothing until it is started."""
    run = operate_run.create_run(ports, plan, key, quota=quota)
    response.headers["Location"] = _path_of(request, run)
    return run_detail(ports, run)


@router.post(
    "/runs/{run_id}/clone",
    status_code=status.HTTP_201_CREATED,
    responses=UNKNOWN_RUN | LOST | INVALID,
    dependencies=[requires(Role.OPERATOR)],
)
def clone_run(
    run_id: RunIdPath,
    changes: Annotated[dict[str, Any], Body(openapi_examples=CHANGES_EXAMPLE, description="The merge patch.")],
    request: Request,
    ports: PortsDep,
    quota: QuotaDep,
    response: Response,
    key: KeyHeader = None,
) -> RunDetail:
    """Create a run of another run's plan with changes: a JSON merge patch (RFC 7396), in which null restores the default."""
    try:
        run = operate_run.clone_run(ports, run_id, changes, key, quota=quota)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None
    response.headers["Location"] = _path_of(request, run)
    return run_detail(ports, run)


@router.post("/runs/{run_id}/start", responses=UNKNOWN_RUN | WRONG_PHASE, dependencies=[requires(Role.OPERATOR)])
def start_run(run_id: RunIdPath, ports: PortsDep, key: KeyHeader = None) -> RunDetail:
    """Start a created run: it is prepared, the clients enrol, and the rounds follow."""
    return run_detail(ports, operate_run.start_run(ports, run_id, key))


@router.post("/runs/{run_id}/pause", responses=UNKNOWN_RUN | WRONG_PHASE, dependencies=[requires(Role.OPERATOR)])
def pause_run(
    run_id: RunIdPath,
    ports: PortsDep,
    now: Annotated[bool, Query(description="If true, do not wait for the round in flight.")] = False,
    key: KeyHeader = None,
) -> RunDetail:
    """Start nothing new: the round in flight is finished, then the run is paused.

    With `now` the run is paused at once, and an open round is suspended: no further client starts, updates of clients under
    way are still accepted, and the deadline moves by the length of the pause.
    """
    return run_detail(ports, operate_run.pause_run(ports, run_id, key, now=now))


@router.post("/runs/{run_id}/resume", responses=UNKNOWN_RUN | WRONG_PHASE, dependencies=[requires(Role.OPERATOR)])
def resume_run(run_id: RunIdPath, ports: PortsDep, key: KeyHeader = None) -> RunDetail:
    """Continue a paused run."""
    return run_detail(ports, operate_run.resume_run(ports, run_id, key))


@router.post("/runs/{run_id}/cancel", responses=UNKNOWN_RUN | WRONG_PHASE, dependencies=[requires(Role.OPERATOR)])
def cancel_run(run_id: RunIdPath, ports: PortsDep, key: KeyHeader = None) -> RunDetail:
    """End a run now. Its artifacts stay; updates that are still under way are refused."""
    return run_detail(ports, operate_run.cancel_run(ports, run_id, key))


@router.delete(
    "/runs/{run_id}",
    dependencies=[requires(Role.ADMIN)],
    status_code=status.HTTP_202_ACCEPTED,
    response_model=RunDetail,
    responses=UNKNOWN_RUN | WRONG_PHASE | INVALID | GONE,
)
def delete_run(
    run_id: RunIdPath,
    ports: PortsDep,
    confirm: Annotated[str, Query(max_length=LONGEST_ID, description="The run's id once more, since deleting is for good.")],
) -> RunDetail | Response:
    """Delete a run that has not started or has ended: its artifacts, its records, and models that no other run names.

    The answer comes at once; the run is `deleting` until everything is removed. A run whose record cannot be read is removed
    before the answer, which then has no body.
    """
    deleting = operate_run.delete_run(ports, run_id, confirm)
    return Response(status_code=status.HTTP_204_NO_CONTENT) if deleting is None else run_detail(ports, deleting)


@router.post("/runs/{run_id}/restore", responses=UNKNOWN_RUN | WRONG_PHASE, dependencies=[requires(Role.ADMIN)])
def restore_run(run_id: RunIdPath, ports: PortsDep) -> RunDetail:
    """Restore a run that the ledger has lost, or has an older state of, from its record and manifests in the store."""
    return run_detail(ports, restore.restore_run(ports, run_id))


@router.post("/restore", dependencies=[requires(Role.ADMIN)])
def restore_lost_runs(ports: PortsDep) -> RestoredRuns:
    """Restore every run that the ledger has lost. The answer also says which runs could not be restored, and why."""
    restored, refused = restore.restore_all(ports)
    return RestoredRuns(runs=run_summaries(ports.ledger, restored), refused=refused)


@router.get("/runs", responses=UNKNOWN_RUN, dependencies=[requires(Role.VIEWER)])
def list_runs(
    ports: PortsDep,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many runs at most.")] = 50,
    before: Annotated[
        str | None, Query(max_length=LONGEST_ID, description="The id of a run: only older runs are listed.")
    ] = None,
    text: Annotated[
        str, Query(max_length=LONGEST_TEXT, description="Only runs that have it in their name or their id.")
    ] = "",
    phase: Annotated[RunPhase | None, Query(description="Only runs in this phase.")] = None,
    owner: Annotated[str, Query(max_length=LONGEST_TEXT, description="Only runs whose owner's name has it.")] = "",
) -> RunList:
    """List the newest runs, newest first. For the next page, give `next` as `before`.

    A page of a filtered list looks at 1,000 runs, so it may have few runs or none, and a next page. Small and capital
    letters are the same. Runs whose records cannot be read fit no filter.
    """
    found = run_listing.list_runs(ports.ledger, RunFilter(text, phase, owner), limit, before)
    return RunList(
        runs=run_summaries(ports.ledger, found.runs),
        unreadable=dict(found.unreadable),
        next=found.next,
        looked_at=found.looked_at,
    )


@router.get("/runs/{run_id}", responses=UNKNOWN_RUN, dependencies=[requires(Role.VIEWER)])
def get_run(run_id: RunIdPath, ports: PortsDep) -> RunDetail:
    """Show a run: its phase, its current round with the counts of its clients, its newest scores, its plan."""
    return run_detail(ports, ports.ledger.load(run_id))


def _path_of(request: Request, run: Run) -> str:
    """The path under which whoever sent the request finds the run: with the prefix that a reverse proxy has stripped."""
    return f"{request.scope.get('root_path', '')}{V1}/runs/{run.id}"
