"""API keys in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date

from fedface_core.domain.api_key import ApiKey
from fedface_core.domain.errors import KeyExistsError, NotFoundError, TooManyKeysError
from fedface_core.ports import MOST_KEYS


class MemoryApiKeys:
    """`ApiKeys` that live as long as this process."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}
        self._used: dict[str, date] = {}
        self._lock = threading.Lock()

    def add(self, key: ApiKey) -> None:
        """Store a new key, which was never used."""
        with self._lock:
            if key.id in self._keys:
                raise KeyExistsError(f"there is a key named {key.name!r}; take another name, or delete that key first")
            if len(self._keys) >= MOST_KEYS:
                raise TooManyKeysError(f"there are {MOST_KEYS} keys; delete those that nobody uses: fedface keys delete ID")
            self._keys[key.id] = key

    def find(self, key_id: str) -> tuple[ApiKey, date | None] | None:
        """The key with this id, and the day in UTC on which it was last used; None if there is no such key."""
        key = self._keys.get(key_id)
        return None if key is None else (key, self._used.get(key_id))

    def all(self) -> Sequence[tuple[ApiKey, date | None]]:
        """All keys in the order of their names, each with the day on which it was last used."""
        with self._lock:
            keys = sorted(self._keys.values(), key=lambda key: key.name)
            return [(key, self._used.get(key.id)) for key in keys]

    def note_use(self, key_id: str, day: date) -> None:
        """Record that the key was used on this day in UTC."""
        with self._lock:
            if key_id in self._keys:
                self._used[key_id] = day

    def delete(self, key_id: str) -> None:
        """Remove the key. `NotFoundError` if there is no such key."""
        with self._lock:
            if self._keys.pop(key_id, None) is None:
                raise NotFoundError(f"there is no key {key_id}")
            self._used.pop(key_id, None)
