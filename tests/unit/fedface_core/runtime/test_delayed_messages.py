"""Delayed messages wait in the broker, a bounded number of them, and come into their queue in order, whatever fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
import redis
import structlog
from redis.exceptions import ConnectionError as ConnectionFailed

from fedface_core.contracts.broker_keys import delayed_keys
from fedface_core.runtime import delayed_messages
from fedface_core.runtime.delayed_messages import delay, keep_moving, move_due

QUEUE = "aggregator"


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url, decode_responses=True) as client:
        yield client


def looks(count: int) -> threading.Event:
    """An event that is set once somebody has waited for it so often. Nobody waits in fact."""

    class Counted(threading.Event):
        left = count

        def wait(self, timeout: float | None = None) -> bool:
            self.left -= 1
            return self.left < 0

    return Counted()


class Failing:
    """A broker that is away at some of the calls: those whose numbers are given, from 0."""

    def __init__(self, broker: redis.Redis, at: set[int]) -> None:
        self._broker = broker
        self._at = at
        self.calls = 0

    def eval(self, *arguments: Any) -> Any:
        self.calls += 1
        if self.calls - 1 in self._at:
            raise ConnectionFailed("the broker is away")
        return self._broker.eval(*arguments)


def test_no_more_messages_wait_than_may_and_one_that_waits_already_is_none_more(
    broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delayed_messages, "MOST_WAITING", 3)
    assert all(delay(broker, QUEUE, f"id-{number}", "message", 60) for number in range(3))
    assert not delay(broker, QUEUE, "id-3", "message", 60)
    assert delay(broker, QUEUE, "id-1", "message", 60)
    assert delay(broker, "client", "id-3", "message", 60), "another queue has its own"
    due, messages = delayed_keys(QUEUE)
    assert (broker.zcard(due), broker.hlen(messages)) == (3, 3)


def test_one_look_moves_all_that_is_due_in_order_and_nothing_else(broker: redis.Redis) -> None:
    """More than the broker moves at once."""
    numbers = range(1203)
    for number in numbers:
        assert delay(broker, QUEUE, f"id-{number:04d}", f"message {number}", 0)
    assert delay(broker, QUEUE, "later", "later", 60)
    keep_moving(broker, QUEUE, looks(1))
    assert cast("list[str]", broker.lrange(QUEUE, 0, -1))[::-1] == [f"message {number}" for number in numbers]
    due, messages = delayed_keys(QUEUE)
    assert broker.zrange(due, 0, -1) == broker.hkeys(messages) == ["later"]
    assert move_due(broker, QUEUE) == 0


def test_a_broker_that_is_away_is_tried_again_and_that_is_logged_when_it_begins(broker: redis.Redis) -> None:
    assert delay(broker, QUEUE, "id", "message", 0)
    failing = Failing(broker, {0, 1, 3, 4})
    with structlog.testing.capture_logs() as logs:
        keep_moving(cast("redis.Redis", failing), QUEUE, looks(6))
    assert failing.calls == 6
    assert broker.lrange(QUEUE, 0, -1) == ["message"]
    stay = {"event": "delayed_messages_stay", "queue": QUEUE, "reason": "the broker is away", "log_level": "warning"}
    assert logs == [stay, stay], "once for each time that it was away"
