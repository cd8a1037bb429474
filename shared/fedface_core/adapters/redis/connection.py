"""Connections to Redis or Valkey with bounded waits, their pipelines and scripts, and the translation of their errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.client import Pipeline
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from fedface_core.domain.errors import InvalidInputError, UnavailableError

TIMEOUT_SECONDS = 5.0
RETRIES = 3


def connect(url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> redis.Redis:
    """A client for ``url``. It connects when it is first used.

    Each attempt waits ``timeout_seconds`` at most. After a transient error it is repeated `RETRIES` times, with growing,
    jittered waits of a second at most. `InvalidInputError` if ``url`` is no Redis URL; its message does not quote the URL.
    """
    try:
        return redis.Redis.from_url(
            url,
            decode_responses=True,
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
    """The host and port, or the path of the socket, that a client connects to, without credentials."""
    options = client.connection_pool.connection_kwargs
    return str(options["path"]) if "path" in options else f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


@contextmanager
def translated_errors(client: redis.Redis) -> Iterator[None]:
    """Translate the errors of ``client`` to `UnavailableError`, whose message names the server and the remedy.

    The message never quotes the password. A `ResponseError` about a wrong command of ours is not translated.
    """
    server = f"Redis at {address(client)}"
    try:
        yield
    except (AuthenticationError, NoPermissionError) as error:
        raise UnavailableError(f"{server} refuses our credentials; correct the password in FEDFACE_REDIS_URL") from error
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise UnavailableError(
            f"{server} does not answer ({error}); check that it runs and that FEDFACE_REDIS_URL names its host and port"
        ) from error
    except RedisError as error:
        # A plain ResponseError means that our command is wrong. Its subclasses, and MISCONF (the server cannot write to its
        # disk), are about the state of the server: out of memory, read only, loading.
        cannot_write_disk = "MISCONF " in str(error)  # in a pipeline, redis-py puts the command before it
        if type(error) is ResponseError and not cannot_write_disk:
            raise
        if cannot_write_disk:
            remedy = "free space on its disk, or see its log for the cause"
        elif isinstance(error, OutOfMemoryError):
            remedy = "raise its maxmemory, or give it a machine with more"
        elif isinstance(error, ReadOnlyError):
            remedy = "it is a replica: let FEDFACE_REDIS_URL name the primary"
        else:
            remedy = "see its log"
        raise UnavailableError(f"{server} cannot serve us now: {error}; {remedy}") from error


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
        first = texts.pop("time.lua")
        self._scripts = {name: self._client.register_script(first + text) for name, text in texts.items()}

    @contextmanager
    def pipeline(self, *, transaction: bool = False) -> Iterator[Pipeline]:
        """A pipeline, whose `execute` sends its commands in one round trip and returns their answers in order.

        ``transaction``: the commands are one atomic step (MULTI and EXEC). Otherwise the server may run commands of other
        clients between them. `UnavailableError` if the server does not answer or cannot serve now.
        """
        with translated_errors(self._client), self._client.pipeline(transaction=transaction) as pipeline:
            yield pipeline

    def run_script(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """Run the Lua script in the file ``name`` of this folder as one atomic step, and return its result.

        The header of each script describes its keys, arguments and result; Lua's false is None here. `UnavailableError` if
        the server does not answer or cannot serve now.
        """
        with translated_errors(self._client):
            return self._scripts[name](keys=keys, args=args)
