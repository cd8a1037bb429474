"""A run's audit trail as server-sent events: from its start or after any event, and live."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from fedface_control.api.problems import busy_response
from fedface_control.api.routes.runs import BUSY, LONGEST_ID, UNKNOWN_RUN, PortsDep, Responses, RunIdPath
from fedface_control.api.run_feed import Listener, Look, RunFeeds
from fedface_control.auth.roles import Role, requires
from fedface_core.ports import RecordedEvent

STREAM: Responses = {200: {"content": {"text/event-stream": {}}, "description": "Server-sent events."}}


class EventStreams:
    """The event streams that are open, and the feeds that they listen to.

    ``most`` may be open at once, ``most_of_run`` of them for one run, and ``most_of_client`` from one address.
    """

    def __init__(self, feeds: RunFeeds, most: int, most_of_run: int, most_of_client: int) -> None:
        self.feeds = feeds
        self.most = most
        self.most_of_run = most_of_run
        self.most_of_client = most_of_client
        self.open = 0
        self.of_runs = Counter[str]()
        self.of_clients = Counter[str]()

    def refusal(self, run_id: str, client: str) -> str | None:
        """Why no more stream of this run for this client's address may be open, or None if one may."""
        if self.open >= self.most:
            return f"the API serves {self.most} event streams already"
        if self.of_runs[run_id] >= self.most_of_run:
            return f"the API serves {self.most_of_run} event streams of this run already"
        if self.of_clients[client] >= self.most_of_client:
            return f"the API serves {self.most_of_client} event streams to {client} already"
        return None

    def count(self, run_id: str, client: str, change: int) -> None:
        """Count a stream that begins (1) or ends (-1)."""
        self.open += change
        for counted, name in ((self.of_runs, run_id), (self.of_clients, client)):
            counted[name] += change
            if counted[name] == 0:
                del counted[name]


class CountedStream(EventSourceResponse):
    """A stream that counts among ``streams`` while it is open. If these are as many as may be, a problem of status 503."""

    def __init__(
        self, streams: EventStreams, run_id: str, listener: Listener | None, content: AsyncIterator[ServerSentEvent]
    ) -> None:
        super().__init__(content)
        self._streams = streams
        self._run_id = run_id
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, or the problem."""
        client = scope["client"][0] if scope.get("client") else "an unknown address"
        if reason := self._streams.refusal(self._run_id, client):
            await busy_response(reason)(scope, receive, send)
            return
        self._streams.count(self._run_id, client, 1)
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._listener is not None:
                self._streams.feeds.leave(self._run_id, self._listener)
            self._streams.count(self._run_id, client, -1)


async def streams_of(request: Request) -> EventStreams:
    """The open streams of the app."""
    streams: EventStreams = request.app.state.event_streams
    return streams


router = APIRouter(prefix="/runs", tags=["runs"])


@router.get(
    "/{run_id}/events",
    dependencies=[requires(Role.VIEWER)],
    response_class=EventSourceResponse,
    responses=UNKNOWN_RUN | STREAM | BUSY,
)
async def watch_run(
    run_id: RunIdPath,
    ports: PortsDep,
    streams: Annotated[EventStreams, Depends(streams_of)],
    last_event_id: Annotated[
        str | None, Header(max_length=LONGEST_ID, description="Only events after the one with this id.")
    ] = None,
    follow: Annotated[bool, Query(description="If false, the stream ends after the newest event.")] = True,
) -> EventSourceResponse:
    """Stream the run's audit trail, oldest event first, and then live until the run ends or is deleted.

    Whenever the run's summary changes, the stream has an event named `progress` with that summary. It has no id.
    """
    # A stream that has begun has status 200 already, so an unknown run or a wrong event id must be found before.
    await run_in_threadpool(ports.ledger.events, run_id, last_event_id, 1)
    listener = Listener() if follow else None
    looks = streams.feeds.looks(run_id, last_event_id, listener)
    return CountedStream(streams, run_id, listener, _stream(looks, last_event_id))


async def _stream(looks: AsyncIterator[Look], after: str | None) -> AsyncIterator[ServerSentEvent]:
    """What the looks have found, each event once and each change of the summary once."""
    newest = _order(after) if after is not None else (0, 0)
    shown = None
    async for look in looks:
        for event in look.events:
            if _order(event.id) > newest:
                newest = _order(event.id)
                yield _server_sent(event)
        state = look.summary.model_dump(exclude={"seconds_left"})  # it changes at every look
        if state != shown:
            shown = state
            yield ServerSentEvent(event="progress", data=look.summary.model_dump_json())


def _order(event_id: str) -> tuple[int, ...]:
    """What event ids are in the order of: milliseconds, and a number within them."""
    return tuple(int(part) for part in event_id.split("-"))


def _server_sent(event: RecordedEvent) -> ServerSentEvent:
    return ServerSentEvent(
        id=event.id, event=event.name, data=json.dumps({"at": event.at.isoformat(), **event.data}, allow_nan=False)
    )
