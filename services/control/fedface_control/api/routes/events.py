"""A run's audit trail as server-sent events, live, and from any past event id."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from fedface_control.api.routes.runs import UNKNOWN_RUN, PortsDep, Responses
from fedface_control.api.views import run_summary
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.run import ENDED
from fedface_core.ports import Ports, RecordedEvent

POLL_SECONDS = 0.5
STREAM: Responses = {200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}}

router = APIRouter(prefix="/runs", tags=["runs"])


@router.get(
    "/{run_id}/events",
    response_class=EventSourceResponse,
    responses=UNKNOWN_RUN | STREAM,
)
async def events(
    run_id: str,
    ports: PortsDep,
    last_event_id: Annotated[str | None, Header(description="Resume after this event.")] = None,
    follow: Annotated[bool, Query(description="False: end with the newest event.")] = True,
) -> EventSourceResponse:
    """The audit trail, oldest event first, then live until the run ends or is deleted.

    Events named `progress` stand between them: a summary of the run whenever its counts change, without an id.
    """
    # Once the stream has begun its status is 200: an unknown run or a wrong event id has to be found out before.
    await run_in_threadpool(ports.ledger.events, run_id, last_event_id, 1)
    return EventSourceResponse(_stream(ports, run_id, last_event_id, follow))


async def _stream(ports: Ports, run_id: str, after: str | None, follow: bool) -> AsyncIterator[ServerSentEvent]:
    shown = None
    while True:
        try:
            run = await run_in_threadpool(ports.ledger.load, run_id)
            # Read after the run: were it the other way round, the last events of an ended run could be missed.
            recorded = await run_in_threadpool(ports.ledger.events, run_id, after)
            summary = (await run_in_threadpool(run_summary, ports.ledger, run)).model_dump_json()
        except NotFoundError:  # deleted since
            return
        for event in recorded:
            after = event.id
            yield _as_sse(event)
        if summary != shown:
            shown = summary
            yield ServerSentEvent(event="progress", data=summary)
        if (run.phase in ENDED or not follow) and not recorded:
            return
        if not recorded:
            await asyncio.sleep(POLL_SECONDS)


def _as_sse(event: RecordedEvent) -> ServerSentEvent:
    return ServerSentEvent(id=event.id, event=event.name, data=json.dumps({"at": event.at.isoformat(), **event.data}))
