"""API keys in Redis or Valkey. Their keys begin with another word than those of the ledger (`fedface_core.access`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import structlog
from redis.exceptions import RedisError

from fedface_core.adapters.redis.connection import TIMEOUT_SECONDS, RedisServer
from fedface_core.contracts.schema_version import UNREADABLE, read_versioned
from fedface_core.domain.api_key import ApiKey
from fedface_core.domain.errors import DamagedObjectError, KeyExistsError, NotFoundError, TooManyKeysError
from fedface_core.ports import MOST_KEYS

API_KEYS: Final = "fedface-api:keys"
"""A hash: id → record (JSON of the `ApiKey`)."""
USED_ON: Final = "fedface-api:keys:used"
"""A hash: id → the day on which the key was last used, as 2026-11-27."""

_DISK_SECONDS: Final = 3.0  # below the timeout of a connection

log = structlog.get_logger(__name__)


class RedisApiKeys:
    """`ApiKeys` in the Redis or Valkey at ``url``. It connects when it is first used.

    Each attempt to reach the server waits ``timeout_seconds`` at most. `InvalidInputError` if ``url`` is no Redis URL.
    """

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._server = RedisServer(url, timeout_seconds=timeout_seconds)

    def add(self, key: ApiKey) -> None:
        """Store a new key, which was never used. Calls at the same moment may exceed `MOST_KEYS` by their number."""
        with self._server.pipeline() as pipeline:
            pipeline.hlen(API_KEYS)
            pipeline.hexists(API_KEYS, key.id)
            count, exists = pipeline.execute()
        if count >= MOST_KEYS and not exists:
            raise TooManyKeysError(f"there are {count} keys; delete those that nobody uses: fedface keys delete ID")
        with self._server.pipeline(transaction=True) as pipeline:
            pipeline.hsetnx(API_KEYS, key.id, key.model_dump_json())
            (added,) = pipeline.execute()
        if not added:
            raise KeyExistsError(f"there is a key named {key.name!r}; take another name, or delete that key first")

    def find(self, key_id: str) -> tuple[ApiKey, date | None] | None:
        """The key with this id, and the day in UTC on which it was last used; None if there is no such key."""
        with self._server.pipeline() as pipeline:
            pipeline.hget(API_KEYS, key_id)
            pipeline.hget(USED_ON, key_id)
            record, used_on = pipeline.execute()
        return None if record is None else (_read(key_id, record), _day(used_on))

    def all(self) -> Sequence[tuple[ApiKey, date | None]]:
        """All keys in the order of their names, each with the day on which it was last used."""
        with self._server.pipeline() as pipeline:
            pipeline.hgetall(API_KEYS)
            pipeline.hgetall(USED_ON)
            records, used_on = pipeline.execute()
        keys = []
        for key_id, record in records.items():
            try:
                keys.append((_read(key_id, record), _day(used_on.get(key_id))))
            except UNREADABLE as error:
                log.warning("api_key_unreadable", key_id=key_id, reason=str(error))
        return sorted(keys, key=lambda found: found[0].name)

    def note_use(self, key_id: str, day: date) -> None:
        """Record that the key was used on this day in UTC."""
        with self._server.pipeline() as pipeline:
            pipeline.hset(USED_ON, key_id, day.isoformat())
            pipeline.execute()

    def delete(self, key_id: str) -> None:
        """Remove the key, and wait for the disk. `NotFoundError` if there is no such key.

        Redis writes to its disk each second: a deletion that a power cut undoes would have a key believed again. A server
        that cannot be asked to wait, such as Redis 7.0, has the deletion on its disk within two seconds.
        """
        with self._server.pipeline() as pipeline:  # no transaction: Redis does not wait in one
            pipeline.hdel(API_KEYS, key_id)
            pipeline.hdel(USED_ON, key_id)
            pipeline.waitaof(1, 0, int(1000 * _DISK_SECONDS))
            *deleted, on_disk = pipeline.execute(raise_on_error=False)
            for answer in deleted:
                if isinstance(answer, RedisError):
                    raise answer
        if not deleted[0]:
            raise NotFoundError(f"there is no key {key_id}")
        if isinstance(on_disk, RedisError) or on_disk[0] == 0:
            log.warning("api_key_deletion_not_on_disk_yet", key_id=key_id, reason=str(on_disk))


def _read(key_id: str, record: str) -> ApiKey:
    key = read_versioned(ApiKey, record)
    if key.id != key_id:  # it would be the key of another
        raise DamagedObjectError(f"the record under {key_id} is that of the key {key.id}")
    return key


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:  # only shown, and written anew at the next use
        return None
