"""Two to ten runs side by side: their scores, where their plans differ, and their curves one over the other."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from fedface_console.curves import Curves, overlaid
from fedface_console.errors import PageError
from fedface_console.pages.run import load_run
from fedface_console.plan_form import differences
from fedface_console.rounds import all_rounds
from fedface_console.templating import ApiDep, page
from fedface_core.domain.ids import RunId

FEWEST: Final = 2
MOST: Final = 10
RunsQuery = Annotated[list[RunId], Query(max_length=100)]

router = APIRouter()


@router.get("/compare")
async def compare(request: Request, api: ApiDep, run: RunsQuery = []) -> HTMLResponse:  # noqa: B006 - fastapi copies it
    """Show the runs side by side."""
    chosen = _chosen(run)
    reader = await api.reader()
    runs = await asyncio.gather(*(load_run(api, one) for one in chosen))
    rounds = await asyncio.gather(*(all_rounds(api, one) for one in chosen))
    charts = overlaid(dict(zip(chosen, rounds, strict=True))).charts
    rates = list(dict.fromkeys(far for one in runs if one.scores for far in one.scores.tar))[:8]
    return page(
        request,
        "compare.html",
        reader=reader,
        runs=runs,
        rates=rates,
        different=differences(one.plan.model_dump(mode="json") for one in runs),
        charts=[(chart.id, chart.title) for chart in charts],
        query="&".join(f"run={one}" for one in chosen),
    )


@router.get("/compare.json")
async def get_compared(api: ApiDep, run: RunsQuery = []) -> Curves:  # noqa: B006 - fastapi copies it
    """The numbers of the curves."""
    chosen = _chosen(run)
    rounds = await asyncio.gather(*(all_rounds(api, one) for one in chosen))
    return overlaid(dict(zip(chosen, rounds, strict=True)))


def _chosen(runs: list[str]) -> list[str]:
    chosen = list(dict.fromkeys(runs))
    if not FEWEST <= len(chosen) <= MOST:
        raise PageError(f"Choose {FEWEST} to {MOST} runs in the list of runs; {len(chosen)} are chosen.")
    return chosen
