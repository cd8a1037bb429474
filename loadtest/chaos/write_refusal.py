"""A Redis that answers and refuses writes for some seconds, as one does whose replicas are away."""

from __future__ import annotations

import random
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

REFUSAL_SECONDS = (3.0, 8.0)


class WriteRefusal:
    """Makes the Redis at ``url`` refuse writes. `tick` ends this after some seconds, which ``draws`` chooses.

    A Redis that is killed meanwhile starts again with its configuration, and takes writes.
    """

    def __init__(self, url: str, draws: random.Random) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=2.0, retry=Retry(NoBackoff(), 1))
        self._draws = draws
        self._ends_at: float | None = None

    def begin(self) -> bool:
        """Have the Redis refuse writes. Whether it answered."""
        if not self._require_replicas(1):
            return False
        self._ends_at = time.monotonic() + self._draws.uniform(*REFUSAL_SECONDS)
        return True

    def tick(self) -> None:
        """End a refusal that has lasted long enough."""
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.end()

    def end(self) -> None:
        """Have the Redis take writes again."""
        self._ends_at = None
        self._require_replicas(0)

    def _require_replicas(self, count: int) -> bool:
        try:
            self._redis.config_set("min-replicas-to-write", count)
        except (redis.ConnectionError, redis.TimeoutError):
            return False  # it was killed
        return True
