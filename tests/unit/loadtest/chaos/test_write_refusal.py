"""A real Valkey refuses writes for some seconds, and takes them again, also if it is away meanwhile."""

from __future__ import annotations

import random

import pytest
import redis

from loadtest.chaos import write_refusal as module
from loadtest.chaos.messages import BrokerUnavailableError, Message, Messages
from loadtest.chaos.write_refusal import WriteRefusal


def test_writes_are_refused_until_the_time_is_over(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFUSAL_SECONDS", (0.0, 0.0))
    refusal = WriteRefusal(broker_url, random.Random(0))
    refusal.tick()
    with redis.Redis.from_url(broker_url) as client:
        try:
            assert refusal.begin()
            with pytest.raises(redis.ResponseError, match="NOREPLICAS"):
                client.set("a", "b")
            with pytest.raises(BrokerUnavailableError):
                Messages(broker_url, random.Random(0)).put(Message("client", b"{}"))
        finally:
            refusal.tick()
        assert client.set("a", "b")


def test_a_redis_that_is_away_refuses_nothing() -> None:
    refusal = WriteRefusal("redis://:own@127.0.0.1:9/0", random.Random(0))
    assert not refusal.begin()
    refusal.end()
