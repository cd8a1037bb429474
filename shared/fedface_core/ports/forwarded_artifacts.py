"""A store that passes every call on to another one: what stores share that add something to a few of the calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from fedface_core.ports.artifacts import ArtifactStore, StoredObject


class ForwardedArtifacts:
    """An `ArtifactStore` that passes every call to ``store``. A subclass overrides the calls to which it adds something."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:
        """Store an object, or replace it."""
        self._store.put(key, *data, sha256=sha256)

    def put_all(self, objects: Mapping[str, Sequence[bytes | memoryview]]) -> None:
        """Store many objects, some at a time if the store is far away."""
        self._store.put_all(objects)

    def put_once(self, key: str, *data: bytes | memoryview) -> bool:
        """Store an object if there is none under the key; returns whether this call has stored it."""
        return self._store.put_once(key, *data)

    def get(self, key: str) -> bytes:
        """The whole object."""
        return self._store.get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of the object from byte ``start`` on; fewer if the object ends before."""
        return self._store.get_range(key, start, length)

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Copy the object's bytes from byte ``start`` on into ``buffer``, until the buffer is full or the object ends."""
        return self._store.read_into(key, start, buffer)

    def size(self, key: str) -> int:
        """The object's size in bytes; the object is not read."""
        return self._store.size(key)

    def keys(self, prefix: str) -> Sequence[str]:
        """All keys that start with ``prefix``, sorted."""
        return self._store.keys(prefix)

    def page(self, prefix: str, after: str, limit: int) -> Sequence[StoredObject]:
        """The first ``limit`` objects with this ``prefix`` that come after the key ``after``, if it is not empty."""
        return self._store.page(prefix, after, limit)

    def now(self) -> datetime:
        """The time of the store's clock, by which objects are dated."""
        return self._store.now()

    def delete(self, key: str) -> None:
        """Remove the object."""
        self._store.delete(key)

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove many objects, in few requests if the store allows it."""
        self._store.delete_all(keys)

    def ping(self) -> None:
        """Check that the store answers and accepts our credentials."""
        self._store.ping()
