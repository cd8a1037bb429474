"""Connections to Redis or Valkey with bounded waits, their pipelines and scripts, and the translation of their errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.client import Pipeline
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from fedface_core.domain.certificate_problems import certificate_problem
from fedface_core.domain.errors import InvalidInputError, MissingRightError, UnavailableError
from fedface_core.runtime.redis_server import check_server, memory_left

TIMEOUT_SECONDS = 5.0
FULL_AT: Final = 0.8
LARGE_WRITE_BYTES: Final = 4 << 20
"""What Redis needs to take a record of a megabyte: it holds the request several times meanwhile."""
RETRIES = 3

# What a server says about its own state, not about our command → what the operator can do. The key is the code with which
# Redis's answer begins, or its first words where it has only the code ERR.
_REMEDIES: Final = {
    "NOREPLICAS": "too few of its replicas follow it (min-replicas-to-write): see that they run",
    "READONLY": "it is a replica: let FEDFACE_REDIS_URL name the primary",
    "MISCONF": "free space on its disk, or see its log for the cause",
    "OOM": "raise its maxmemory, or give it a machine with more",
    "LOADING": "it reads its data after a start, and comes by itself",
    "BUSY": "somebody's script runs in it: wait, or end that script with SCRIPT KILL",
    "MASTERDOWN": "it is a replica without a primary: let FEDFACE_REDIS_URL name the primary",
    "CLUSTERDOWN": "FedFace needs a Redis that is no cluster",
    "TRYAGAIN": "FedFace needs a Redis that is no cluster",
    "MOVED": "FedFace needs a Redis that is no cluster",
    "ASK": "FedFace needs a Redis that is no cluster",
    "DENIED": "set a password in its configuration (requirepass) and in FEDFACE_REDIS_URL",
    "NOPERM": "allow the user in FEDFACE_REDIS_URL all commands, keys and channels of its database",
    "ACL failure in script": "allow the user in FEDFACE_REDIS_URL all commands, keys and channels of its database",
    "max number of clients": "raise its maxclients, or start fewer workers",
    "DB index is out of range": "correct the database at the end of FEDFACE_REDIS_URL",
}
_NOT_ALLOWED: Final = ("NOPERM", "ACL failure in script")
_STATE: Final = re.compile(rf"(?:{'|'.join(map(re.escape, _REMEDIES))})\b")


def connect(url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> redis.Redis:
    """A client for ``url``. It connects when it is first used.

    Each attempt waits ``timeout_seconds`` at most. After a transient error it is repeated `RETRIES` times, with growing,
    jittered waits of a second at most. `InvalidInputError` if ``url`` is no Redis URL; its message does not quote the URL.
    """
    try:
        return redis.Redis.from_url(
            url,
            decode_responses=True,
            encoding_errors="backslashreplace",  # bytes that are no text spoil one value, not a whole answer
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            health_check_interval=30,
            retry=Retry(ExponentialWithJitterBackoff(base=0.1, cap=1.0), RETRIES),
            retry_on_error=[RedisConnectionError, RedisTimeoutError, BusyLoadingError],
        )
    except ValueError:
        # The message of the cause may quote the URL, which may hold the password.
        raise InvalidInputError("FEDFACE_REDIS_URL is not of the form redis://:secret@host:6379/0") from None


def address(client: redis.Redis) -> str:
    """The host and port that a client connects to, without credentials."""
    options = client.connection_pool.connection_kwargs
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


@contextmanager
def translated_errors(client: redis.Redis) -> Iterator[None]:
    """Translate the errors of ``client`` to `UnavailableError`, whose message names the server and the remedy.

    The message never quotes the password. A `ResponseError` about a wrong command of ours is not translated.
    """
    server = f"Redis at {address(client)}"
    try:
        yield
    except AuthenticationError as error:
        raise UnavailableError(f"{server} refuses our credentials; correct the password in FEDFACE_REDIS_URL") from error
    except RedisError as error:
        state = _state(error)
        if state is not None:
            kind = MissingRightError if state in _NOT_ALLOWED else UnavailableError
            raise kind(f"{server} cannot serve us now: {error}; {_REMEDIES[state]}") from error
        if isinstance(error, RedisConnectionError | RedisTimeoutError):
            raise UnavailableError(f"{server} does not answer ({error}); {_connection_remedy(str(error))}") from error
        if type(error) is ResponseError:
            raise
        raise UnavailableError(f"{server} cannot serve us now: {error}; see its log") from error


def _state(error: RedisError) -> str | None:
    """What an error answer says about the server's own state: a key of `_REMEDIES`, or None."""
    if error.status_code in _REMEDIES:  # redis-py knows some codes, and leaves them out of the message
        return error.status_code
    # In a pipeline, redis-py puts the command before the answer; a Redis before 7 puts the place in a script before it.
    answer = str(error).rpartition(" of pipeline caused error: ")[2]
    if answer.startswith("Error running script"):
        answer = answer.rpartition(": -")[2]
    found = _STATE.match(answer)
    return None if found is None else found[0]


def _connection_remedy(reason: str) -> str:
    refused = certificate_problem(reason, "FEDFACE_REDIS_CA_FILE")
    if refused is not None:
        return refused
    if "SSL" in reason:
        return "check that FEDFACE_REDIS_URL names the port where it speaks TLS, or write redis:// if it does not"
    return "check that it runs and that FEDFACE_REDIS_URL names its host and port, with rediss:// if it speaks TLS"


class RedisServer:
    """The pipelines and Lua scripts of the ledger on the Redis or Valkey at ``url``. Errors are translated.

    It connects when it is first used. Each attempt waits ``timeout_seconds`` at most. `InvalidInputError` if ``url`` is no
    Redis URL.
    """

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._client = connect(url, timeout_seconds=timeout_seconds)
        texts = {
            file.name: file.read_text(encoding="utf-8")
            for file in resources.files(__package__).iterdir()
            if file.name.endswith(".lua")
        }
        first = texts.pop("common.lua")
        self._scripts = {name: self._client.register_script(first + text) for name, text in texts.items()}

    @contextmanager
    def pipeline(self, *, transaction: bool = False) -> Iterator[Pipeline]:
        """A pipeline, whose `execute` sends its commands in one round trip and returns their answers in order.

        ``transaction``: the commands are one atomic step (MULTI and EXEC). Otherwise the server may run commands of other
        clients between them. `UnavailableError` if the server does not answer or cannot serve now.
        """
        with translated_errors(self._client), self._client.pipeline(transaction=transaction) as pipeline:
            yield pipeline

    def check(self) -> None:
        """Check that the server answers, takes writes of the size of a large record, and never evicts. Nothing is changed.

        `UnavailableError` if it does not answer or takes no such writes now, `EvictingLedgerError` if it may evict keys.
        """
        with translated_errors(self._client):
            check_server(self._client)
            memory = memory_left(self._client)
        if memory is not None and memory[0] < min(LARGE_WRITE_BYTES, memory[1] // 8):
            left, most = memory
            raise UnavailableError(
                f"Redis at {address(self._client)} takes no large record any more: {max(0, left)} of its {most} bytes are "
                "free; delete runs that have ended, or raise its maxmemory"
            )

    def require_room(self, full_at: float) -> None:
        """Check that less than the share ``full_at`` of the server's memory is used. `UnavailableError` if not."""
        with translated_errors(self._client):
            memory = memory_left(self._client)
        if memory is None:
            return
        left, most = memory
        if most - left > full_at * most:
            raise UnavailableError(
                f"Redis at {address(self._client)} is too full for a new run: {most - left} of its {most} bytes are used, "
                f"above {full_at:.0%} (FEDFACE_LEDGER_FULL_AT); delete runs that have ended, or raise its maxmemory"
            )

    def run_script(self, name: str, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        """Run the Lua script in the file ``name`` of this folder as one atomic step, and return its result.

        The header of each script describes its keys, arguments and result; Lua's false is None here. `UnavailableError` if
        the server does not answer or cannot serve now.
        """
        with translated_errors(self._client):
            return self._scripts[name](keys=keys, args=args)
