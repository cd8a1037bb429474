"""The whole ledger in Redis or Valkey: records, settlement and views on one server."""

from __future__ import annotations

from fedface_core.adapters.redis.connection import TIMEOUT_SECONDS, RedisServer
from fedface_core.adapters.redis.records import RedisRecords
from fedface_core.adapters.redis.settlement import RedisSettlement
from fedface_core.adapters.redis.views import RedisViews
from fedface_core.ports import Clock


class RedisLedger(RedisRecords, RedisSettlement, RedisViews):
    """`RunLedger` in the Redis or Valkey at ``url``. It connects when it is first used.

    Its time is the server's, or that of ``clock`` if one is given, as tests do. Each attempt to reach the server waits
    ``timeout_seconds`` at most. `InvalidInputError` if ``url`` is no Redis URL.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        super().__init__(RedisServer(url, timeout_seconds=timeout_seconds), clock)
