"""The audit trail of a run: who did what, and what happened when."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from fedface_console.control_api import Event
from fedface_console.pages.run import RunIdPath, load_run
from fedface_console.templating import ApiDep, page

ON_A_PAGE: Final = 200

router = APIRouter(prefix="/runs/{run_id}")


@router.get("/events")
async def show_events(
    request: Request,
    run_id: RunIdPath,
    api: ApiDep,
    text: Annotated[str, Query(max_length=100)] = "",
    first: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> HTMLResponse:
    """Show the events of a run that have a text in them, the newest first."""
    reader = await api.reader()
    run = await load_run(api, run_id)
    events = [_shown(event) for event in reversed(await api.audit_trail(run_id))]
    wanted = text.strip().casefold()
    found = [one for one in events if wanted in f"{one['name']} {one['actor']} {one['said']}".casefold()]
    return page(
        request,
        "events.html",
        reader=reader,
        run=run,
        tab="events",
        events=found[first : first + ON_A_PAGE],
        count=len(found),
        text=text,
        first=first,
        following=first + ON_A_PAGE if len(found) > first + ON_A_PAGE else None,
    )


def _shown(event: Event) -> dict[str, Any]:
    """What a row of the table has: the time, what happened, whose doing it was, and what else the event says."""
    data = dict(event.data)
    at = data.pop("at", None)
    actor = data.pop("actor", None)
    number = data.pop("round", None)
    said = ", ".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, allow_nan=False)}" for name, value in data.items()
    )
    try:
        moment = datetime.fromisoformat(at)
    except (TypeError, ValueError):
        moment = None
    return {
        "id": event.id,
        "at": moment,
        "name": event.name.replace("_", " "),
        "actor": actor,
        "round": number,
        "said": said,
    }
