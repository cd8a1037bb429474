"""How many requests one actor may send in a minute, and how many failed sign-ins come from one address. `limits` counts.

The counts are in Redis, so that all processes of the API share them. If Redis does not count, each process counts for
itself: nobody is turned away because Redis is, and nobody sends without bounds meanwhile.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from fedface_control.auth.errors import TooManyRequestsError

log = structlog.get_logger(__name__)

KEY_PREFIX: Final = "fedface-api:limits"
"""`fedface_core.access` lets nobody but the API use keys that begin so."""
_TIMEOUT_SECONDS: Final = 1.0
_LEAVE_ALONE_SECONDS: Final = 10.0


def counts_in_redis(url: str) -> Storage:
    """Counts in the Redis or Valkey at ``url``. It is not waited for: an attempt takes a second at most, and is not
    repeated.
    """
    options: dict[str, Any] = {
        "socket_timeout": _TIMEOUT_SECONDS,
        "socket_connect_timeout": _TIMEOUT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    return RedisStorage(url, key_prefix=KEY_PREFIX, wrap_exceptions=True, **options)


class RequestLimits:
    """``requests`` of one actor, and ``failures`` to sign in from one address, in a minute. ``shared`` counts are in Redis.

    A minute begins with the first request that is counted in it.
    """

    def __init__(
        self,
        requests: int,
        failures: int,
        shared: Storage | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = RateLimitItemPerMinute(requests, namespace="requests")
        self._failures = RateLimitItemPerMinute(failures, namespace="failures")
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._shared = FixedWindowRateLimiter(shared) if shared is not None else self._own
        self._monotonic = monotonic
        self._shared_failed_at: float | None = None

    def count_request(self, actor: str) -> None:
        """Count a request of this actor. `TooManyRequestsError` if there were more in this minute than may be."""
        self._count(self._requests, actor, f"{actor} has sent {self._requests.amount} requests in a minute")

    def count_failure(self, address: str) -> None:
        """Count a failed sign-in. `TooManyRequestsError` if more have come from this address in this minute than may."""
        self._count(self._failures, address, f"{self._failures.amount} sign-ins from {address} have failed in a minute")

    def _count(self, most: RateLimitItemPerMinute, who: str, told: str) -> None:
        name = hashlib.sha256(who.encode()).hexdigest()[:32]  # a subject may hold any characters
        seconds = self._seconds_to_wait(most, name)
        if seconds is not None:
            raise TooManyRequestsError(f"{told}; try again in {seconds} seconds", seconds)

    def _seconds_to_wait(self, most: RateLimitItemPerMinute, name: str) -> int | None:
        if self._shared_may_count():
            try:
                return _hit(self._shared, most, name)
            except StorageError as error:
                self._shared_failed_at = self._monotonic()
                log.warning("requests_counted_alone", reason=str(error.storage_error))
        return _hit(self._own, most, name)

    def _shared_may_count(self) -> bool:
        failed_at = self._shared_failed_at
        return failed_at is None or self._monotonic() - failed_at >= _LEAVE_ALONE_SECONDS


def _hit(limiter: FixedWindowRateLimiter, most: RateLimitItemPerMinute, name: str) -> int | None:
    """Count one more; the seconds after which it may be tried again if it is one too many."""
    if limiter.hit(most, name):
        return None
    left = limiter.get_window_stats(most, name).reset_time - time.time()
    return min(max(1, math.ceil(left)), 60)
