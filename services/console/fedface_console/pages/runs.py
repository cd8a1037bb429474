"""The page of runs: phase, progress, a sparkline of TAR, a filter, the owner."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse

from fedface_console.listing import RunFilter
from fedface_console.templating import ApiDep, fragment, page
from fedface_core.domain.ids import RunId
from fedface_core.domain.run import RunPhase

LONGEST_TEXT = 100
RunIdQuery = Annotated[RunId | None, Query()]
TextQuery = Annotated[str, Query(max_length=LONGEST_TEXT)]
PhaseQuery = Annotated[str, Query(pattern=f"^({'|'.join(RunPhase)})?$")]

router = APIRouter()


def _wanted(text: TextQuery = "", phase: PhaseQuery = "", owner: TextQuery = "") -> RunFilter:
    return RunFilter(text.strip(), RunPhase(phase) if phase else None, owner.strip())


WantedDep = Annotated[RunFilter, Depends(_wanted)]


@router.get("/")
async def show_runs(request: Request, api: ApiDep, wanted: WantedDep, before: RunIdQuery = None) -> HTMLResponse:
    """Show a page of runs, newest first."""
    reader = await api.reader()
    listed = await wanted.page(api, before)
    return page(
        request,
        "runs.html",
        reader=reader,
        listed=listed,
        wanted=wanted,
        before=before,
        phases=list(RunPhase),
        query=wanted.query(before),
        next_query=wanted.query(listed.next) if listed.next else None,
    )


@router.get("/runs/sparklines")
async def show_sparklines(request: Request, api: ApiDep, wanted: WantedDep, before: RunIdQuery = None) -> HTMLResponse:
    """Draw the sparklines of a page of runs, which come after the page itself."""
    listed = await wanted.page(api, before)
    drawn = await request.app.state.sparklines.of(api, listed.runs)
    return HTMLResponse(fragment(request, "_sparklines.html", drawn=drawn))
