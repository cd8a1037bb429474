"""A worker that cannot say that it is there says so in its log, once."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
import redis
import structlog
from redis.exceptions import NoPermissionError

from fedface_core.ports.publisher import WorkerPresence
from fedface_core.runtime import presence
from fedface_core.runtime.presence import keep_saying


def test_that_the_broker_refuses_it_is_logged_when_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()
    asked: list[str] = []

    class Refusing:
        def eval(self, *_: object) -> None:
            asked.append("say")
            if len(asked) == 3:
                stopped.set()
            raise NoPermissionError("NOPERM")

        def zrem(self, *_: object) -> None:
            raise NoPermissionError("NOPERM")

    monkeypatch.setattr(presence, "SAY_SECONDS", 0.01)
    worker = WorkerPresence(name="client@here-1", device="cpu", processes=1)
    with structlog.testing.capture_logs() as logs:
        keep_saying(cast("redis.Redis", cast("Any", Refusing())), "client", worker, stopped)
    said = [(record["event"], record["log_level"]) for record in logs]
    assert said == [("presence_not_said", "warning"), ("presence_not_taken_back", "debug")]
