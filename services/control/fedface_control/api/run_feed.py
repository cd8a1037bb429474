"""One reader of the ledger for each run that is followed, however many follow it.

A listener first reads for itself what it has missed. Then it gets what the run's feed reads, which looks twice a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import structlog
from starlette.concurrency import run_in_threadpool

from fedface_control.api.views import run_summary
from fedface_core.contracts.http import RunSummary
from fedface_core.domain.errors import FedFaceError, NotFoundError
from fedface_core.domain.run import ENDED
from fedface_core.ports import RecordedEvent, RunLedger

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5
MOST_WAITING = 32
"""How many looks wait for a listener that does not read. One more, and it is cut; it can come back with its last id."""


@dataclass(frozen=True)
class Look:
    """What one look at a run has found: the events since the look before, its summary, and whether it had ended."""

    events: Sequence[RecordedEvent]
    summary: RunSummary
    ended: bool


class Listener:
    """Who follows a run: the looks that it has not taken yet, ``MOST_WAITING`` at most."""

    def __init__(self) -> None:
        self._looks: asyncio.Queue[Look | None] = asyncio.Queue()

    def give(self, look: Look | None) -> bool:
        """Put a look into its queue, or None for the end. False if the queue is full: what waits in it is dropped, and only
        the end is left.
        """
        full = self._looks.qsize() >= MOST_WAITING
        if full:
            while not self._looks.empty():
                self._looks.get_nowait()
        self._looks.put_nowait(None if full else look)
        return not full

    async def take(self) -> Look | None:
        """The next look; None at the end."""
        return await self._looks.get()


class _Feed:
    """The reader of one run, and its listeners. ``after`` is the id of the newest event that it has read."""

    def __init__(self, after: str | None) -> None:
        self.after = after
        self.listeners: set[Listener] = set()
        self.reader: asyncio.Task[None] | None = None

    def give(self, look: Look | None) -> None:
        for listener in [*self.listeners]:
            if not listener.give(look):
                log.warning("event_listener_cut", because="it does not read")
                self.listeners.discard(listener)


class RunFeeds:
    """The feeds of the runs that are followed at present. A feed ends with its last listener, or with its run."""

    def __init__(self, ledger: RunLedger) -> None:
        self._ledger = ledger
        self._feeds: dict[str, _Feed] = {}

    async def look(self, run_id: str, after: str | None) -> Look:
        """Look at a run once: its events after the one with the id ``after``. `NotFoundError` if there is no such run."""
        return await run_in_threadpool(_look, self._ledger, run_id, after)

    async def looks(self, run_id: str, after: str | None, listener: Listener | None) -> AsyncIterator[Look]:
        """All looks at a run from the event ``after`` on, until it ends, is deleted, or cannot be read any more.

        Without a listener they end with the newest event; with one they go on. Then events may come twice, and the caller
        has to `leave` at the end, however that comes.
        """
        joined = False
        try:
            while True:
                look = await self.look(run_id, after)
                yield look
                if look.events:
                    after = look.events[-1].id
                elif look.ended or listener is None:
                    return
                elif joined or self._join(run_id, after, listener):
                    break
                else:
                    joined = True  # the feed is elsewhere: what it has read and this listener has not is read once more
        except NotFoundError:  # the run was deleted meanwhile
            return
        except FedFaceError as error:  # whoever follows connects again, and is then told why
            log.warning("event_stream_ended", reason=str(error))
            return
        while (given := await listener.take()) is not None:
            yield given

    def leave(self, run_id: str, listener: Listener) -> None:
        """End the listener. Nothing if it has not joined a feed."""
        feed = self._feeds.get(run_id)
        if feed is None or listener not in feed.listeners:
            return
        feed.listeners.discard(listener)
        if not feed.listeners:
            del self._feeds[run_id]
            if feed.reader is not None:
                feed.reader.cancel()

    def _join(self, run_id: str, after: str | None, listener: Listener) -> bool:
        """Have the run's feed give its looks to the listener. True if the feed is at the event ``after``, too."""
        feed = self._feeds.get(run_id)
        if feed is None:
            feed = _Feed(after)
            self._feeds[run_id] = feed
            feed.reader = asyncio.create_task(self._read(run_id, feed))
        feed.listeners.add(listener)
        return feed.after == after

    async def _read(self, run_id: str, feed: _Feed) -> None:
        """Give the feed's listeners what is new, until the run ends, is deleted, or cannot be read any more."""
        shown = None
        try:
            while feed.listeners:
                look = await self.look(run_id, feed.after)
                state = look.summary.model_dump(exclude={"seconds_left"})  # it changes at every look
                if look.events or state != shown:
                    feed.give(look)
                shown = state
                if look.events:
                    feed.after = look.events[-1].id
                elif look.ended:
                    return
                else:
                    await asyncio.sleep(POLL_SECONDS)
        except NotFoundError:
            return
        except FedFaceError as error:
            log.warning("event_stream_ended", reason=str(error))
        except Exception:
            log.exception("event_feed_crashed", run_id=run_id)
        finally:
            if self._feeds.get(run_id) is feed:
                del self._feeds[run_id]
            feed.give(None)


def _look(ledger: RunLedger, run_id: str, after: str | None) -> Look:
    run = ledger.load(run_id)
    # The events are read after the run: otherwise the last events of a run that ends in between would be missed.
    recorded = ledger.events(run_id, after)
    return Look(recorded, run_summary(ledger, run), run.phase in ENDED)
