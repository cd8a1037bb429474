"""Connections to Redis or Valkey with bounded waits; one round trip or one script at a time; faults in our words."""

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
    """A client for ``url`` that connects when first used.

    Each attempt waits ``timeout_seconds`` at most; transient faults are tried again `RETRIES` times with growing, jittered
    waits of a second at most. `InvalidInputError`, which shows nothing of it, if ``url`` is no Redis URL.
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
    """Where a client connects to, without its credentials."""
    to = client.connection_pool.connection_kwargs
    return str(to["path"]) if "path" in to else f"{to.get('host', 'localhost')}:{to.get('port', 6379)}"


@contextmanager
def redis_faults(client: redis.Redis) -> Iterator[None]:
    """Turn the exceptions of ``client`` into `UnavailableError`, which says where it is and what to do, never the password.

    A command of ours that is wrong stays the `ResponseError` that it is.
    """
    where = f"Redis at {address(client)}"
    try:
        yield
    except (AuthenticationError, NoPermissionError) as error:
        raise UnavailableError(f"{where} refuses our credentials; correct the password in FEDFACE_REDIS_URL") from error
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise UnavailableError(
            f"{where} does not answer ({error}); check that it runs and that FEDFACE_REDIS_URL names its host and port"
        ) from error
    except RedisError as error:
        # A plain ResponseError is a command of ours that is wrong. Its subclasses, and MISCONF (it cannot write its
        # disk), are the server's state: out of memory, read only, loading.
        cannot_write_disk = "MISCONF " in str(error)  # in a pipeline, redis-py puts the command in front
        if type(error) is ResponseError and not cannot_write_disk:
            raise
        if cannot_write_disk:
            remedy = "free space on its disk, or see its log for what ails it"
        elif isinstance(error, OutOfMemoryError):
            remedy = "raise its maxmemory, or give it a machine with more"
        elif isinstance(error, ReadOnlyError):
            remedy = "it is a replica: let FEDFACE_REDIS_URL name the primary"
        else:
            remedy = "see its log"
        raise UnavailableError(f"{where} cannot serve us now: {error}; {remedy}") from error


class RedisServer:
    """What the ledger asks of the Redis or Valkey at ``url``: pipelines and scripts, whose faults come in our words.

    It connects when first used. Each attempt waits ``timeout_seconds`` at most.
    """

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._client = connect(url, timeout_seconds=timeout_seconds)
        self._scripts = {
            file.name: self._client.register_script(file.read_text(encoding="utf-8"))
            for file in resources.files(__package__).iterdir()
            if file.name.endswith(".lua")
        }

    @contextmanager
    def pipeline(self, *, transaction: bool = False) -> Iterator[Pipeline]:
        """A pipeline: `execute` sends its commands, be it one, in one round trip and returns their answers, in order.

        ``transaction``: as one atomic step, between MULTI and EXEC; else others' commands may be carried out in between.
        """
        with redis_faults(self._client), self._client.pipeline(transaction=transaction) as pipeline:
            yield pipeline

    def run_script(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """Run the Lua script in the file ``name`` of this folder as one atomic step; what it returns is in its header.

        A nil or false of Lua's comes as None.
        """
        with redis_faults(self._client):
            return self._scripts[name](keys=keys, args=args)
