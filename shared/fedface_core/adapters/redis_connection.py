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
        if type(error) is ResponseError and not str(error).startswith("MISCONF"):
            raise
        raise UnavailableError(f"{where} cannot serve us now: {error}") from error
