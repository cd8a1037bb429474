"""What FedFace needs of a Redis or Valkey: that it takes writes, and that it never evicts a key.

The ledger and the broker check this with a client of their own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import redis
import structlog
from redis.exceptions import NoPermissionError, ResponseError

from fedface_core.contracts.broker_keys import NOTHING
from fedface_core.domain.errors import EvictingLedgerError

log = structlog.get_logger(__name__)


def check_server(client: redis.Redis) -> None:
    """Check that the server takes writes, and that it keeps what was written if its memory is full.

    The error of redis-py if the server does not answer or refuses writes now. `EvictingLedgerError` if its
    ``maxmemory-policy`` may evict any key. Policies that begin with ``volatile`` evict only keys that expire, and no key of
    the ledger or of a queue does. A server that does not tell its policy is taken for a safe one, with a warning.
    """
    # Redis refuses this command whenever it refuses other writes: as a replica, without its own replicas, with a full disk,
    # with a full memory.
    client.setrange(NOTHING, 0, "")
    policy = eviction_policy(client)
    if policy.startswith("allkeys"):
        raise EvictingLedgerError(
            f"Redis has the maxmemory-policy {policy}: it would forget runs, updates and tasks once its memory is full; set "
            "maxmemory-policy noeviction in its configuration"
        )


def memory_left(client: redis.Redis) -> tuple[int, int] | None:
    """How many bytes of its memory the server may still use, and its ``maxmemory``. None without a bound, or if it does not
    tell.
    """
    try:
        memory: Any = client.info("memory")
    except ResponseError as error:
        if not isinstance(error, NoPermissionError) and "unknown command" not in str(error):
            raise
        return None
    most = int(memory.get("maxmemory", 0))
    return (most - int(memory["used_memory"]), most) if most else None


def eviction_policy(client: redis.Redis) -> str:
    """The server's ``maxmemory-policy``, or ``unknown``, with a warning, if it does not tell."""
    try:
        memory: Any = client.info("memory")  # managed servers often forbid CONFIG GET; INFO has the policy too
    except ResponseError as error:
        if not isinstance(error, NoPermissionError) and "unknown command" not in str(error):
            raise
        memory = {}
    if "maxmemory_policy" not in memory:
        warn_of_unknown_policy()
    return str(memory.get("maxmemory_policy", "unknown"))


@cache
def warn_of_unknown_policy() -> None:
    """Warn once in each process."""
    log.warning("eviction_policy_unknown", remedy="INFO does not tell maxmemory-policy; see that it is noeviction")
