"""The live page of a run, its rounds, and its actions."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fedface_console.actions import actions_for, buttons, take_action
from fedface_console.control_api import ControlApi, Reader
from fedface_console.curves import Curves, curves_of
from fedface_console.errors import ApiProblemError
from fedface_console.forms import read_form
from fedface_console.histograms import Histograms, accepted_from, histograms_of
from fedface_console.live import LiveResponse, Parts, Streams, live_parts
from fedface_console.pictures import round_bars
from fedface_console.rounds import all_rounds, newest_rounds
from fedface_console.templating import ApiDep, fragment, notice, page
from fedface_core.contracts.http import RoundView, RunDetail
from fedface_core.domain.ids import RunId
from fedface_core.domain.results import RocCurve, VerificationReport
from fedface_core.domain.run import ENDED, RunPhase

RunIdPath = Annotated[RunId, Path()]
NumberPath = Annotated[int, Path(ge=0, le=1_000_000)]
CLIENTS_ON_A_PAGE: Final = 100
MOST_REASONS: Final = 50

router = APIRouter(prefix="/runs/{run_id}")


@router.get("")
async def show_run(
    request: Request,
    run_id: RunIdPath,
    api: ApiDep,
    before: Annotated[int | None, Query(ge=0, le=1_000_000)] = None,
) -> HTMLResponse:
    """Show a run: what it does now, what may be done with it, and its newest rounds."""
    reader = await api.reader()
    run = await load_run(api, run_id)
    rounds = await newest_rounds(api, run, before)
    parts = _parts(request, run, reader, rounds, before)
    return page(
        request,
        "run.html",
        reader=reader,
        run=run,
        parts=parts,
        live=before is None and _may_change(run),
        tab="overview",
    )


@router.get("/live")
async def stream_run(request: Request, run_id: RunIdPath, api: ApiDep) -> Response:
    """Stream the parts of the page of a run as they change."""
    streams: Streams = request.app.state.streams
    reader = await api.reader()
    sent: dict[str, str] = {}  # the buttons as they were sent last: while they stay the same, so do their keys

    async def parts() -> tuple[Parts, bool]:
        run = await load_run(api, run_id)
        rounds = await newest_rounds(api, run)
        found = _parts(request, run, reader, rounds)
        shows = buttons(run, reader)
        if shows not in sent:
            sent.clear()
            sent[shows] = found["actions"]
        return found | {"actions": sent[shows]}, not _may_change(run)

    return LiveResponse(streams, live_parts(api, run_id, parts, lambda error: notice(request, error)))


@router.get("/now")
async def show_run_now(request: Request, run_id: RunIdPath, api: ApiDep) -> HTMLResponse:
    """The parts of the page of a run once, for a browser that has no stream."""
    reader = await api.reader()
    run = await load_run(api, run_id)
    rounds = await newest_rounds(api, run)
    return HTMLResponse(fragment(request, "_now.html", parts=_parts(request, run, reader, rounds)))


@router.post("/actions/{slug}")
async def act(request: Request, run_id: RunIdPath, slug: Annotated[str, Path(max_length=40)], api: ApiDep) -> Response:
    """Have the API carry out an action, and show the run again."""
    form = await read_form(request)
    run = await take_action(api, run_id, slug, form)
    return RedirectResponse("/" if run is None else f"/runs/{run_id}", 303)


@router.get("/curves")
async def show_curves(request: Request, run_id: RunIdPath, api: ApiDep) -> HTMLResponse:
    """Show the curves of a run by round, and the ROC curve of a round."""
    reader = await api.reader()
    run = await load_run(api, run_id)
    rounds = await all_rounds(api, run_id)
    scored = [view.number for view in rounds if view.scores]
    drawn = curves_of(rounds).charts
    return page(
        request,
        "curves.html",
        reader=reader,
        run=run,
        charts=[(chart.id, chart.title) for chart in drawn],
        scored=scored[::-1][:1000],
        live=run.phase not in ENDED,
        tab="curves",
    )


@router.get("/curves.json")
async def get_curves(run_id: RunIdPath, api: ApiDep) -> Curves:
    """The numbers of the curves."""
    return curves_of(await all_rounds(api, run_id))


@router.get("/rounds/{number}")
async def show_round(
    request: Request,
    run_id: RunIdPath,
    number: NumberPath,
    api: ApiDep,
    reason: Annotated[str, Query(max_length=500)] = "",
    first: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> HTMLResponse:
    """Show a round, and which clients failed in it for which reason, a page of them at a time."""
    reader = await api.reader()
    run = await load_run(api, run_id)
    view = await api.get(RoundView, f"/v1/runs/{run_id}/rounds/{number}")
    reasons = Counter(view.failed.values())
    clients = sorted(client for client, why in view.failed.items() if reason in ("", why))
    refused = Counter(view.aggregation.refused.values()) if view.aggregation else Counter[str]()
    return page(
        request,
        "round.html",
        reader=reader,
        run=run,
        view=view,
        thresholds=await _thresholds(api, view, run_id),
        reasons=reasons.most_common(MOST_REASONS),
        refused=refused.most_common(MOST_REASONS),
        failed=[(client, view.failed[client]) for client in clients[first : first + CLIENTS_ON_A_PAGE]],
        reason=reason,
        first=first,
        following=first + CLIENTS_ON_A_PAGE if len(clients) > first + CLIENTS_ON_A_PAGE else None,
        count=len(clients),
        tab="round",
    )


@router.get("/rounds/{number}/roc.json")
async def get_roc(run_id: RunIdPath, number: NumberPath, api: ApiDep) -> RocCurve:
    """The ROC curve of a round."""
    return (await load_report(api, run_id, number)).roc


@router.get("/rounds/{number}/cosines.json")
async def get_cosines(run_id: RunIdPath, number: NumberPath, api: ApiDep) -> Histograms:
    """The histograms of a round's cosines."""
    return histograms_of(await load_report(api, run_id, number))


async def load_report(api: ControlApi, run_id: str, number: int) -> VerificationReport:
    """The verification report of a round. `ApiProblemError` if there is none."""
    return await api.get(VerificationReport, f"/v1/runs/{run_id}/rounds/{number}/report")


async def _thresholds(api: ControlApi, view: RoundView, run_id: str) -> list[tuple[str, float]]:
    """From which cosine on a pair is accepted, by FAR. None if the round was not scored, or its report is gone."""
    if view.scores is None:
        return []
    try:
        return accepted_from(await load_report(api, run_id, view.number))
    except ApiProblemError as error:
        if error.status != 404:
            raise
        return []


async def load_run(api: ControlApi, run_id: str) -> RunDetail:
    """The run. `ApiProblemError` if there is none."""
    return await api.get(RunDetail, f"/v1/runs/{run_id}")


def _may_change(run: RunDetail) -> bool:
    """Whether something still happens in the run by itself."""
    return run.phase not in ENDED or run.phase is RunPhase.DELETING


def _parts(
    request: Request, run: RunDetail, reader: Reader, rounds: list[RoundView], before: int | None = None
) -> dict[str, str]:
    """The HTML of the parts that change."""
    older = rounds[-1].number if rounds and rounds[-1].number > 0 else None
    return {
        "state": fragment(request, "_state.html", run=run),
        "actions": fragment(
            request, "_actions.html", run=run, actions=actions_for(run, reader), reader=reader, shows=buttons(run, reader)
        ),
        "rounds": fragment(
            request,
            "_rounds.html",
            run=run,
            rounds=rounds,
            bars=round_bars(rounds, datetime.now(UTC)),
            older=older,
            before=before,
        ),
    }
