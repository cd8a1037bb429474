"""The fleet: what control depends on, processes and alerts, messages that wait or were dropped, and what fails now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import HTMLResponse

from fedface_console.control_api import ControlApi, Reader
from fedface_console.errors import ApiProblemError, PrometheusError
from fedface_console.listing import ON_A_PAGE
from fedface_console.pages.run import load_run
from fedface_console.prometheus import Prometheus, Watched
from fedface_console.templating import ApiDep, page
from fedface_core.contracts.http import DeadLetterList, RunDetail, RunList
from fedface_core.domain.dead_letter import DeadLetter
from fedface_core.domain.role import Role
from fedface_core.domain.run import ENDED, RunPhase

MOST_LOOKED_AT: Final = 12
"""Active runs whose failing steps are shown."""
MOST_PROCESSES: Final = 100
MOST_LETTERS: Final = 20
_FIGURES: Final = {"fedface_queue_depth": "queue", "fedface_runs": "phase"}

router = APIRouter()


@router.get("/fleet")
async def show_fleet(request: Request, api: ApiDep) -> HTMLResponse:
    """Show how the services do."""
    reader = await api.reader()
    checks, figures, listed, letters, (watched, away) = await asyncio.gather(
        api.health(),
        _figures(api),
        api.get(RunList, "/v1/runs", limit=ON_A_PAGE),
        _dead_letters(api, reader),
        _watched(request.app.state.prometheus, reader),
    )
    active = [run.id for run in listed.runs if run.phase not in ENDED and run.phase is not RunPhase.CREATED]
    details = await asyncio.gather(*(_loaded(api, run_id) for run_id in active[:MOST_LOOKED_AT]))
    failing = [(run, one) for run in details if run is not None for one in run.failing]
    return page(
        request,
        "fleet.html",
        reader=reader,
        checks=checks,
        figures=figures,
        failing=failing,
        letters=letters,
        watched=watched,
        away=away,
        watches=request.app.state.prometheus is not None,
        most_processes=MOST_PROCESSES,
        active=[d for d in details if d],
    )


async def _figures(api: ControlApi) -> Mapping[str, dict[str, float]] | None:
    """The gauges of the API that this page shows, by name and label; None if the reader may not see them."""
    try:
        text = await api.text("/metrics")
    except ApiProblemError as error:
        if error.status != 403:
            raise
        return None
    found: dict[str, dict[str, float]] = {name: {} for name in _FIGURES}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            label = _FIGURES.get(sample.name)
            if label is not None and label in sample.labels:
                found[sample.name][sample.labels[label]] = sample.value
    return found


async def _dead_letters(api: ControlApi, reader: Reader) -> list[DeadLetter] | None:
    """The newest messages that a worker has dropped; None if the reader may not see them."""
    if not reader.may(Role.OPERATOR):
        return None
    return (await api.get(DeadLetterList, "/v1/dead-letters", limit=MOST_LETTERS)).letters


async def _watched(prometheus: Prometheus | None, reader: Reader) -> tuple[Watched | None, str]:
    """What Prometheus says, or why it says nothing: a text that is empty if it need not be asked."""
    if prometheus is None or not reader.may(Role.METRICS):
        return None, ""
    try:
        return await prometheus.watched(), ""
    except PrometheusError as error:
        return None, str(error)


async def _loaded(api: ControlApi, run_id: str) -> RunDetail | None:
    try:
        return await load_run(api, run_id)
    except ApiProblemError as error:
        if error.status != 404:
            raise
        return None  # it was deleted meanwhile
