"""A run's audit trail as server-sent events: from its start or after any event, and live."""

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
    last_event_id: Annotated[str | None, Header(description="Only events after the one with this id.")] = None,
    follow: Annotated[bool, Query(description="If false, the stream ends after the newest event.")] = True,
) -> EventSourceResponse:
    """Stream the run's audit trail, oldest event first, and then live until the run ends or is deleted.

    Whenever the run's summary changes, the stream has an event named `progress` with that summary. It has no id.
    """
    # A stream that has begun has status 200 already, so an unknown run or a wrong event id must be found before.
    await run_in_threadpool(ports.ledger.events, run_id, last_event_id, 1)
    return EventSourceResponse(_stream(ports, run_id, last_event_id, follow))


async def _stream(ports: Ports, run_id: str, after: str | None, follow: bool) -> AsyncIterator[ServerSentEvent]:
    shown = None
    while True:
        try:
            run = await run_in_threadpool(ports.ledger.load, run_id)
            # The events are read after the run: otherwise the last events of a run that ends in between would be missed.
            recorded = await run_in_threadpool(ports.ledger.events, run_id, after)
            summary = await run_in_threadpool(run_summary, ports.ledger, run)
        except NotFoundError:  # the run was deleted meanwhile
            return
        for event in recorded:
            after = event.id
            yield _server_sent(event)
        state = summary.model_dump(exclude={"seconds_left"})  # it changes at every look
        if state != shown:
            shown = state
            yield ServerSentEvent(event="progress", data=summary.model_dump_json())
        if (run.phase in ENDED or not follow) and not recorded:
            return
        if not recorded:
            await asyncio.sleep(POLL_SECONDS)


def _server_sent(event: RecordedEvent) -> ServerSentEvent:
    return ServerSentEvent(id=event.id, event=event.name, data=json.dumps({"at": event.at.isoformat(), **event.data}))
