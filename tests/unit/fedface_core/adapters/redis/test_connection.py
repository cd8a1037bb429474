"""Where a client connects to, and which errors of Redis are translated."""

from __future__ import annotations

import pytest
from redis.exceptions import AuthenticationError, OutOfMemoryError, ReadOnlyError, ResponseError

from fedface_core.adapters.redis.connection import address, connect, translated_errors
from fedface_core.domain.errors import InvalidInputError, UnavailableError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:secret@example.org:7000/3", "example.org:7000"),
        ("redis://", "localhost:6379"),
        ("unix://:secret@/run/redis.sock", "/run/redis.sock"),
    ],
)
def test_an_address_has_no_credentials(url: str, expected: str) -> None:
    assert address(connect(url)) == expected


def test_a_wrong_url_is_refused_without_quoting_it() -> None:
    with pytest.raises(InvalidInputError, match="FEDFACE_REDIS_URL") as refused:
        connect("http://:own@example.org")
    assert "own" not in str(refused.value)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (AuthenticationError("invalid password"), "correct the password in FEDFACE_REDIS_URL"),
        (OutOfMemoryError("command not allowed"), "raise its maxmemory"),
        (ReadOnlyError("You can't write against a read only replica."), "let FEDFACE_REDIS_URL name the primary"),
        (ResponseError("Command # 1 (HSET a) of pipeline caused error: MISCONF cannot write"), "free space on its disk"),
    ],
)
def test_the_state_of_a_server_is_translated_with_the_remedy(error: Exception, remedy: str) -> None:
    client = connect("redis://:secret@example.org:7000/3")
    with pytest.raises(UnavailableError, match=rf"Redis at example.org:7000 .*{remedy}"), translated_errors(client):
        raise error


def test_a_wrong_command_of_ours_is_not_translated() -> None:
    client = connect("redis://")
    with pytest.raises(ResponseError, match="unknown command"), translated_errors(client):
        raise ResponseError("unknown command 'HSETT'")
