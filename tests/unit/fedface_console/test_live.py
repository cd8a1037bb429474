from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from sse_starlette import ServerSentEvent
from starlette.types import Message

from fedface_console import live
from fedface_console.control_api import ControlApi
from fedface_console.errors import ApiAwayError, IssuerAwayError, PageError, SignedOutError
from fedface_console.live import ENDED, NOTICE, LiveResponse, Parts, Streams, live_parts


class Quiet(ControlApi):
    """An API in whose runs nothing happens."""

    def __init__(self) -> None:
        super().__init__(httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(404))), None)

    async def changes(self, run_id: str) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield


def streamed(*looks: PageError | Parts) -> list[tuple[str | None, object]]:
    """The events of a page that is looked at this often; the run has ended at the last look."""
    left = [*looks]

    async def parts() -> tuple[Parts, bool]:
        found = left.pop(0)
        if isinstance(found, PageError):
            raise found
        return found, not left

    async def all_events() -> list[tuple[str | None, object]]:
        events = live_parts(Quiet(), "run-000000000000", parts, lambda error: str(error or ""))
        return [(event.event, event.data) async for event in events]

    return asyncio.run(all_events())


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SHORTEST_SECONDS", 0.001)
    monkeypatch.setattr(live, "LONGEST_SECONDS", 0.001)


def test_a_part_is_sent_when_it_has_changed() -> None:
    events = streamed({"state": "a"}, {"state": "a"}, {"state": "b"})
    assert events == [("state", "a"), (NOTICE, ""), ("state", "b"), (ENDED, "ended")]


@pytest.mark.parametrize("away", [ApiAwayError("Nothing answers."), IssuerAwayError("Nothing answers.")])
def test_the_page_goes_on_when_what_was_away_is_back(away: PageError) -> None:
    events = streamed({"state": "a"}, away, {"state": "b"})
    notices = [said for name, said in events if name == NOTICE]
    assert notices == ["", "Nothing answers.", ""]
    assert ("state", "b") in events


def test_the_stream_ends_when_the_reader_is_signed_out() -> None:
    assert streamed(SignedOutError("Your session has ended.")) == [
        (NOTICE, "Your session has ended."),
        (ENDED, "ended"),
    ]


def test_of_many_streams_at_once_only_so_many_are_open() -> None:
    """The bound was looked at before the reader was asked for, and the stream counted after it."""
    streams = Streams(2)

    async def all_statuses() -> list[int]:
        begun: list[int] = []
        ended = asyncio.Event()

        async def content() -> AsyncIterator[ServerSentEvent]:
            await ended.wait()
            yield ServerSentEvent(event=ENDED, data="ended")

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message["status"])
                if len(begun) == 5:
                    ended.set()

        scope = {"type": "http", "method": "GET"}
        await asyncio.gather(*(LiveResponse(streams, content())(scope, receive, send) for _ in range(5)))
        return begun

    assert sorted(asyncio.run(all_statuses())) == [200, 200, 503, 503, 503]
    assert streams.open == 0
