"""A run's audit trail as server-sent events: from its start or after any event, and live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from fedface_control.api.problems import busy_response
from fedface_control.api.routes.runs import BUSY, UNKNOWN_RUN, PortsDep, Responses
from fedface_control.api.views import run_summary
from fedface_core.contracts.http import RunSummary
from fedface_core.domain.errors import NotFoundError, UnavailableError
from fedface_core.domain.run import ENDED, Run
from fedface_core.ports import Ports, RecordedEvent, RunLedger

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5
STREAM: Responses = {200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}}


class EventStreams:
    """The event streams that are open, of which ``most`` may be open at once. Each reads the ledger twice a second."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = 0


class CountedStream(EventSourceResponse):
    """A stream that counts among ``streams`` while it is open. If these are as many as may be, a problem of status 503."""

    def __init__(self, streams: EventStreams, content: AsyncIterator[ServerSentEvent]) -> None:
        super().__init__(content)
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, or the problem."""
        if self._streams.open >= self._streams.most:
            refusal = busy_response(f"the API serves {self._streams.most} event streams already")
            await refusal(scope, receive, send)
            return
        self._streams.open += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.open -= 1


async def streams_of(request: Request) -> EventStreams:
    """The open streams of the app."""
    streams: EventStreams = request.app.state.event_streams
    return streams


router = APIRouter(prefix="/runs", tags=["runs"])


@router.get(
    "/{run_id}/events",
    response_class=EventSourceResponse,
    responses=UNKNOWN_RUN | STREAM | BUSY,
)
async def events(
    run_id: str,
    ports: PortsDep,
    streams: Annotated[EventStreams, Depends(streams_of)],
    last_event_id: Annotated[str | None, Header(description="Only events after the one with this id.")] = None,
    follow: Annotated[bool, Query(description="If false, the stream ends after the newest event.")] = True,
) -> EventSourceResponse:
    """Stream the run's audit trail, oldest event first, and then live until the run ends or is deleted.

    Whenever the run's summary changes, the stream has an event named `progress` with that summary. It has no id.
    """
    # A stream that has begun has status 200 already, so an unknown run or a wrong event id must be found before.
    await run_in_threadpool(ports.ledger.events, run_id, last_event_id, 1)
    return CountedStream(streams, _stream(ports, run_id, last_event_id, follow))


async def _stream(ports: Ports, run_id: str, after: str | None, follow: bool) -> AsyncIterator[ServerSentEvent]:
    shown = None
    while True:
        try:
            run, recorded, summary = await run_in_threadpool(_read, ports.ledger, run_id, after)
        except NotFoundError:  # the run was deleted meanwhile
            return
        except UnavailableError as error:  # whoever follows connects again, and is then told why with status 503
            log.warning("event_stream_ended", reason=str(error))
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


def _read(ledger: RunLedger, run_id: str, after: str | None) -> tuple[Run, Sequence[RecordedEvent], RunSummary]:
    """The run, its events after one, and its summary."""
    run = ledger.load(run_id)
    # The events are read after the run: otherwise the last events of a run that ends in between would be missed.
    recorded = ledger.events(run_id, after)
    return run, recorded, run_summary(ledger, run)


def _server_sent(event: RecordedEvent) -> ServerSentEvent:
    return ServerSentEvent(
        id=event.id, event=event.name, data=json.dumps({"at": event.at.isoformat(), **event.data}, allow_nan=False)
    )
