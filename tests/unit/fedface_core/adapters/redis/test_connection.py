"""Where a client connects to, and which errors of Redis are translated."""

from __future__ import annotations

import pytest
from redis.connection import DefaultParser
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from fedface_core.adapters.redis.connection import address, connect, translated_errors
from fedface_core.domain.errors import InvalidInputError, UnavailableError


@pytest.mark.parametrize(
    ("url", "expected"),
    [("redis://:secret@example.org:7000/3", "example.org:7000"), ("rediss://:secret@example.org", "example.org:6379")],
)
def test_an_address_has_no_credentials(url: str, expected: str) -> None:
    assert address(connect(url)) == expected


def test_a_wrong_url_is_refused_without_quoting_it() -> None:
    with pytest.raises(InvalidInputError, match="FEDFACE_REDIS_URL") as refused:
        connect("http://:own@example.org")
    assert "own" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        ("NOREPLICAS Not enough good replicas to write.", "see that they run"),
        ("NOREPLICAS Not enough good replicas to write. script: 0a, on @user_script:3.", "see that they run"),
        ("READONLY You can't write against a read only replica.", "let FEDFACE_REDIS_URL name the primary"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "raise its maxmemory"),
        ("MISCONF Valkey is configured to save RDB snapshots, but", "free space on its disk"),
        ("LOADING Redis is loading the dataset in memory", "comes by itself"),
        ("BUSY Redis is busy running a script.", "SCRIPT KILL"),
        ("MASTERDOWN Link with MASTER is down", "let FEDFACE_REDIS_URL name the primary"),
        ("CLUSTERDOWN The cluster is down", "no cluster"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "no cluster"),
        ("MOVED 3999 127.0.0.1:6381", "no cluster"),
        ("DENIED Redis is running in protected mode", "set a password"),
        ("NOPERM User reader has no permissions to run the 'set' command", "allow the user"),
        ("ERR max number of clients reached", "raise its maxclients"),
        ("ERR DB index is out of range", "correct the database"),
        ("ERR Error running script (call to f_0a): @user_script:7: @user_script: 7: -MISCONF Redis is", "free space"),
        ("EXECABORT Transaction discarded because of previous errors.", "see its log"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "Command # 1 (HSET a {'b': 'OOM -MISCONF c'}) of pipeline caused error: "])
def test_the_state_of_a_server_is_translated_with_the_remedy(answer: str, remedy: str, prefix: str) -> None:
    error: Exception = DefaultParser.parse_error(answer)  # type: ignore[no-untyped-call]
    error.args = (prefix + str(error),)  # as redis-py does in a pipeline
    client = connect("redis://:secret@example.org:7000/3")
    with (
        pytest.raises(UnavailableError, match=rf"Redis at example.org:7000 cannot serve us now: .*{remedy}"),
        translated_errors(client),
    ):
        raise error


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (AuthenticationError("invalid password"), "refuses our credentials; correct the password in FEDFACE_REDIS_URL"),
        (RedisConnectionError("Connection closed by server."), "names its host and port, with rediss:// if it speaks TLS"),
        (
            RedisConnectionError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"),
            "name the file of .* in FEDFACE_REDIS_CA_FILE",
        ),
        (RedisConnectionError("[SSL: WRONG_VERSION_NUMBER] wrong version"), "write redis:// if it does not"),
    ],
)
def test_an_error_of_the_connection_names_the_setting(error: Exception, remedy: str) -> None:
    client = connect("redis://:secret@example.org:7000/3")
    with pytest.raises(UnavailableError, match=rf"Redis at example.org:7000 .*{remedy}"), translated_errors(client):
        raise error


@pytest.mark.parametrize(
    "answer",
    [
        "ERR unknown command 'HSETT'",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "ERR wrong number of arguments for 'hset' command",
        "ERR Error running script (call to f_0a): @user_script:7: Script attempted to access",
    ],
)
def test_a_wrong_command_of_ours_is_not_translated(answer: str) -> None:
    client = connect("redis://")
    error: Exception = DefaultParser.parse_error(answer)  # type: ignore[no-untyped-call]
    with pytest.raises(ResponseError), translated_errors(client):
        raise error
