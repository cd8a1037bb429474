"""Connections to Redis or Valkey with bounded waits, and its faults in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import ExponentialWithJitterBackoff
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
    """A client for ``url`` that connects when first used. Each attempt waits ``timeout_seconds`` at most; transient
    faults are tried again `RETRIES` times with growing, jittered waits of a second at most.
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
    """Turn Redis's exceptions into `UnavailableError`, with where and what would be right, never the password."""
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
