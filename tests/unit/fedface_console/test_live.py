from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from fedface_console import live
from fedface_console.control_api import ControlApi
from fedface_console.errors import ApiAwayError, IssuerAwayError, PageError, SignedOutError
from fedface_console.live import ENDED, NOTICE, Parts, live_parts


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
