"""The stream of a live page: parts of the page, as HTML, each whenever it has changed.

The API's own stream only wakes this one up; what is shown is read anew. So a page is right after any gap, and if the API
gives no stream, because it serves as many as it may, the run is looked at every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

import structlog
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fedface_console.control_api import ControlApi
from fedface_console.errors import ApiProblemError, AwayError, PageError

log = structlog.get_logger(__name__)

SHORTEST_SECONDS: Final = 1.0
"""Between two looks at a run."""
LONGEST_SECONDS: Final = 5.0
"""After that the run is looked at again, though nobody has said that it changed."""
NOTICE: Final = "notice"
"""The event with what is wrong; empty if nothing is."""
ENDED: Final = "ended"
"""The event after which nothing comes any more."""

Parts = Mapping[str, str]


class Streams:
    """How many streams are open, of ``most`` at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = 0


class LiveResponse(EventSourceResponse):
    """A stream that counts among ``streams`` while it is open. If these are as many as may be, an answer of status 503."""

    def __init__(self, streams: Streams, content: AsyncIterator[ServerSentEvent]) -> None:
        super().__init__(content)
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, or the refusal."""
        if self._streams.open >= self._streams.most:  # nothing is waited for between this and the count
            await Response("The console serves as many streams as it may.\n", 503, {"Retry-After": "5"})(
                scope, receive, send
            )
            return
        self._streams.open += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.open -= 1


async def live_parts(
    api: ControlApi,
    run_id: str,
    parts: Callable[[], Awaitable[tuple[Parts, bool]]],
    notice: Callable[[PageError | None], str],
) -> AsyncIterator[ServerSentEvent]:
    """The parts of the page of a run, each when it has changed, until the run has ended or the reader may not see it.

    ``parts`` reads them, and says whether the run has ended; ``notice`` makes the text of an error, or of none.
    """
    changed = asyncio.Event()
    changed.set()
    follower = asyncio.create_task(_follow(api, run_id, changed))
    shown: dict[str, str] = {}
    try:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), LONGEST_SECONDS)
            changed.clear()
            error: PageError | None = None
            found: Parts = {}
            ended = False
            try:
                found, ended = await parts()
            except AwayError as away:
                error = away
            except ApiProblemError as problem:
                error = problem
                ended = problem.status in (401, 403, 404)
            for name, html in {**found, NOTICE: notice(error)}.items():
                if shown.get(name) != html:
                    shown[name] = html
                    yield ServerSentEvent(event=name, data=html)
            if ended:
                yield ServerSentEvent(event=ENDED, data="ended")
                return
            await asyncio.sleep(SHORTEST_SECONDS)
    finally:
        follower.cancel()


async def _follow(api: ControlApi, run_id: str, changed: asyncio.Event) -> None:
    """Set the event whenever something happens in the run. If the API's stream breaks off, it is asked for again."""
    while True:
        try:
            async for _ in api.changes(run_id):
                changed.set()
        except PageError as error:
            log.info("run_stream_ended", run_id=run_id, because=str(error))
        changed.set()
        await asyncio.sleep(LONGEST_SECONDS)
