"""What every store of dead letters promises: the newest first, as many as asked for, and nothing that is no letter."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

import pytest
import redis

from fedface_core.adapters.memory import MemoryDeadLetters
from fedface_core.adapters.redis.dead_letters import RedisDeadLetters
from fedface_core.contracts.broker_keys import DEAD_LETTERS
from fedface_core.domain.dead_letter import MOST_LETTERS, DeadLetter
from fedface_core.domain.errors import UnavailableError
from fedface_core.ports import DeadLetters
from fedface_core.runtime.dead_letters import bury
from fedface_core.runtime.received_message import MessageFault, UnreadableMessageError

Bury = Callable[[int], None]
ERROR = UnreadableMessageError(MessageFault.NOT_JSON, "it is not JSON")


def message(number: int) -> bytes:
    return b"message %d of redis://user:secret@host" % number


@pytest.fixture(params=["memory", "valkey"])
def store(request: pytest.FixtureRequest) -> tuple[DeadLetters, Bury]:
    if request.param == "memory":
        letters = MemoryDeadLetters()

        def put(number: int) -> None:
            letters.put(
                DeadLetter(
                    id=str(number),
                    at=datetime.now(UTC),
                    queue="client",
                    fault="not_json",
                    reason=str(ERROR),
                    bytes=len(message(number)),
                    beginning=message(number).decode().replace("user:secret", "***"),
                )
            )

        return letters, put
    url = request.getfixturevalue("ledger_url")

    def bury_one(number: int) -> None:
        with closing(redis.Redis.from_url(url)) as client:
            bury(client, "client", message(number), ERROR)

    return RedisDeadLetters(url), bury_one


def test_there_are_none_at_first(store: tuple[DeadLetters, Bury]) -> None:
    assert [*store[0].newest(10)] == []


def test_the_newest_come_first_and_as_many_as_asked_for(store: tuple[DeadLetters, Bury]) -> None:
    letters, put = store
    for number in range(5):
        put(number)
    found = letters.newest(3)
    assert [one.beginning.split(" of ")[0] for one in found] == ["message 4", "message 3", "message 2"]
    assert {(one.queue, one.fault, one.reason, one.bytes) for one in found} == {
        ("client", "not_json", "it is not JSON", len(message(0)))
    }
    assert "secret" not in found[0].beginning
    assert len({one.id for one in found}) == 3
    assert abs((datetime.now(UTC) - found[0].at).total_seconds()) < 60


def test_the_newest_are_kept(store: tuple[DeadLetters, Bury]) -> None:
    letters, put = store
    for number in range(MOST_LETTERS + 3):
        put(number)
    assert len(letters.newest(MOST_LETTERS)) == MOST_LETTERS
    assert letters.newest(1)[0].beginning.startswith(f"message {MOST_LETTERS + 2} ")


ODD = [
    {"queue": "client"},
    {"queue": "q" * 101, "fault": "x", "reason": "x", "bytes": 1, "beginning": ""},
    {"queue": "q", "fault": "x", "reason": "x" * 1001, "bytes": 1, "beginning": ""},
    {"queue": "q", "fault": "x", "reason": "x", "bytes": "many", "beginning": ""},
    {"queue": "q", "fault": "x", "reason": "x", "bytes": 1, "beginning": "no base64!"},
    {b"\xff": b"\xfe"},
]


@pytest.mark.parametrize("odd", ODD)
def test_an_entry_that_is_no_letter_hides_no_other(odd: dict[str, str], ledger_url: str) -> None:
    with closing(redis.Redis.from_url(ledger_url)) as client:
        bury(client, "client", message(1), ERROR)
        client.xadd(DEAD_LETTERS, odd)  # type: ignore[arg-type]
        bury(client, "client", message(2), ERROR)
    found = RedisDeadLetters(ledger_url).newest(10)
    assert [one.beginning[:9] for one in found] == ["message 2", "message 1"]


def test_a_moment_beyond_the_calendar_hides_no_other(ledger_url: str) -> None:
    with closing(redis.Redis.from_url(ledger_url)) as client:
        bury(client, "client", message(1), ERROR)
        letter = {"queue": "q", "fault": "x", "reason": "x", "bytes": 1, "beginning": b64encode(b"x")}
        client.xadd(DEAD_LETTERS, letter, id="18446744073709551614-1")  # type: ignore[arg-type]
    assert [one.beginning[:9] for one in RedisDeadLetters(ledger_url).newest(10)] == ["message 1"]


def test_a_broker_that_is_away_is_unavailable() -> None:
    with pytest.raises(UnavailableError):
        RedisDeadLetters("redis://127.0.0.1:9/0", timeout_seconds=0.1).newest(1)
