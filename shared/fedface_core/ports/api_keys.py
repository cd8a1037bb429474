"""The port of API keys: records of keys by their ids. Only the API uses it; no other service may read what it stores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, Protocol

from fedface_core.domain.api_key import ApiKey

MOST_KEYS: Final = 1000
"""How many keys there may be, expired ones too."""


class ApiKeys(Protocol):
    """The records of API keys, and the day on which each was last used.

    Every method raises `UnavailableError` if the store does not answer or cannot serve now, and `UnknownSchemaError` or
    `DamagedObjectError` if a record that it reads cannot be read.
    """

    def add(self, key: ApiKey) -> None:
        """Store a new key, which was never used.

        `KeyExistsError` if there is a key with this id, `TooManyKeysError` if there are `MOST_KEYS`. Of two calls at the
        same moment for one id, one succeeds.
        """

    def find(self, key_id: str) -> tuple[ApiKey, date | None] | None:
        """The key with this id, and the day in UTC on which it was last used; None if there is no such key."""

    def all(self) -> Sequence[tuple[ApiKey, date | None]]:
        """All keys in the order of their names, each with the day on which it was last used.

        A key whose record cannot be read is logged with its id, and left out. It can be deleted.
        """

    def note_use(self, key_id: str, day: date) -> None:
        """Record that the key was used on this day in UTC. It is no error if there is no such key."""

    def delete(self, key_id: str) -> None:
        """Remove the key. `NotFoundError` if there is no such key."""
