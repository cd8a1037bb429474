"""However many follow a run, its records are read once; who follows gets every event; who does not read holds nobody up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import structlog

from fedface_control.api.run_feed import MOST_WAITING, Listener, Look, RunFeeds
from fedface_control.operate.run import cancel_run
from fedface_core.adapters.memory import MemoryLedger
from fedface_core.domain.update import AcceptedUpdate
from support.in_process import InProcess

POLL_SECONDS = 0.01
LISTENERS = 30


@pytest.fixture
def run_id(services: InProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose enrolment is open."""
    monkeypatch.setattr("fedface_control.api.run_feed.POLL_SECONDS", POLL_SECONDS)
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    return run_id


@pytest.fixture
def reads(run_id: str, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """After which event each read of the ledger began."""
    begun: list[str | None] = []
    read = MemoryLedger.events

    def counted(ledger: MemoryLedger, run_id: str, after: str | None = None, limit: int = 1000) -> Any:
        begun.append(after)
        return read(ledger, run_id, after, limit)

    monkeypatch.setattr(MemoryLedger, "events", counted)
    return begun


class Follower:
    """Follows a run in a task, and keeps what it gets."""

    def __init__(self, feeds: RunFeeds, run_id: str, after: str | None = None) -> None:
        self.got: list[Look] = []
        self.listener = Listener()
        self._looks = feeds.looks(run_id, after, self.listener)
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for look in self._looks:
            self.got.append(look)

    @property
    def events(self) -> list[str]:
        return [event.name for look in self.got for event in look.events]


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not reached():
            await asyncio.sleep(POLL_SECONDS)


def accept_one(services: InProcess, run_id: str, index: int = 0) -> None:
    client = services.ports.ledger.load_round(run_id, 0).cohort[index]
    services.ports.ledger.accept(run_id, 0, client, AcceptedUpdate(sha256="0" * 64, size=1, images=1))


def carried_out(story: Callable[[RunFeeds], Coroutine[Any, Any, None]], services: InProcess) -> None:
    asyncio.run(story(RunFeeds(services.ports.ledger)))


def test_many_listeners_cost_the_reads_of_one(services: InProcess, run_id: str, reads: list[str | None]) -> None:
    async def story(feeds: RunFeeds) -> None:
        followers = [Follower(feeds, run_id) for _ in range(LISTENERS)]
        await until(lambda: all(len(follower.got) >= 2 for follower in followers))
        await asyncio.sleep(10 * POLL_SECONDS)  # until all have joined
        reads.clear()
        began = asyncio.get_running_loop().time()
        accept_one(services, run_id)
        await until(lambda: all(follower.got[-1].summary.accepted == 1 for follower in followers))
        await asyncio.sleep(10 * POLL_SECONDS)
        looks = (asyncio.get_running_loop().time() - began) / POLL_SECONDS
        assert 1 <= len(reads) <= looks + 2
        cancel_run(services.ports, run_id)
        await asyncio.gather(*(follower.task for follower in followers))
        assert {follower.events[-1] for follower in followers} == {"run_cancelled"}
        assert all(follower.events.count("run_cancelled") == 1 for follower in followers)

    carried_out(story, services)


def test_the_reader_ends_with_its_last_listener(services: InProcess, run_id: str, reads: list[str | None]) -> None:
    async def story(feeds: RunFeeds) -> None:
        one = Follower(feeds, run_id)
        other = Follower(feeds, run_id)
        await until(lambda: len(reads) > 10)
        for follower in (one, other):
            assert len(asyncio.all_tasks()) > 1
            follower.task.cancel()
            feeds.leave(run_id, follower.listener)
        await asyncio.gather(one.task, other.task, return_exceptions=True)
        await until(lambda: len(asyncio.all_tasks()) == 1)
        reads.clear()
        await asyncio.sleep(5 * POLL_SECONDS)
        assert reads == []

    carried_out(story, services)


def test_who_comes_later_gets_all_that_it_has_missed(services: InProcess, run_id: str) -> None:
    async def story(feeds: RunFeeds) -> None:
        early = Follower(feeds, run_id)
        await until(lambda: len(early.got) >= 2)
        middle = early.got[0].events[1].id
        late = [Follower(feeds, run_id), Follower(feeds, run_id, middle)]
        await asyncio.sleep(0)
        cancel_run(services.ports, run_id)
        await asyncio.gather(early.task, *(follower.task for follower in late))
        assert early.events[-1] == "run_cancelled"
        assert list(dict.fromkeys(late[0].events)) == early.events
        assert list(dict.fromkeys(late[1].events)) == early.events[2:]

    carried_out(story, services)


def test_a_listener_that_does_not_read_is_cut_and_others_go_on(
    services: InProcess, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedface_control.api.run_feed.MOST_WAITING", 2)

    async def story(feeds: RunFeeds) -> None:
        reading = Follower(feeds, run_id)
        stuck = Follower(feeds, run_id)
        await until(lambda: len(reading.got) >= 2 and len(stuck.got) >= 2)
        await asyncio.sleep(5 * POLL_SECONDS)
        stuck.task.cancel()  # it stays in the feed, and takes nothing any more
        with structlog.testing.capture_logs() as logs:
            for accepted in range(1, 4):
                accept_one(services, run_id, accepted - 1)
                await until(lambda accepted=accepted: reading.got[-1].summary.accepted == accepted)  # type: ignore[misc]
        assert [record["event"] for record in logs] == ["event_listener_cut"]
        assert await stuck.listener.take() is None, "what waited for it is dropped"
        cancel_run(services.ports, run_id)
        await reading.task
        assert reading.events[-1] == "run_cancelled"

    carried_out(story, services)


def test_no_more_waits_for_a_listener_than_may() -> None:
    async def story() -> None:
        listener = Listener()
        for _ in range(MOST_WAITING):
            assert listener.give(None)
        assert not listener.give(None)
        assert await listener.take() is None

    asyncio.run(story())
