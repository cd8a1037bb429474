"""The whole ledger in Redis or Valkey: records, deleted runs, settlement, failures, views and deliveries."""

from __future__ import annotations

from fedface_core.adapters.redis.connection import FULL_AT, TIMEOUT_SECONDS, RedisServer
from fedface_core.adapters.redis.deleted_runs import RedisDeletedRuns
from fedface_core.adapters.redis.deliveries import RedisDeliveries
from fedface_core.adapters.redis.failures import RedisFailures
from fedface_core.adapters.redis.records import RedisRecords
from fedface_core.adapters.redis.settlement import RedisSettlement
from fedface_core.ports import Clock


class RedisLedger(RedisRecords, RedisDeletedRuns, RedisSettlement, RedisFailures, RedisDeliveries):
    """`RunLedger` in the Redis or Valkey at ``url``. It connects when it is first used.

    Its time is the server's, or that of ``clock`` if one is given, as tests do. Each attempt to reach the server waits
    ``timeout_seconds`` at most. There is no room for a new run if more than the share ``full_at`` of the server's memory is
    used. `InvalidInputError` if ``url`` is no Redis URL.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        full_at: float = FULL_AT,
    ) -> None:
        self._full_at = full_at
        super().__init__(RedisServer(url, timeout_seconds=timeout_seconds), clock)

    def require_room(self) -> None:
        """Check that the server has room for a new run."""
        self._server.require_room(self._full_at)
