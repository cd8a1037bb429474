"""The artifact store in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from heapq import nsmallest
from threading import Lock

from fedface_core.adapters.artifact_keys import check_key, check_page, check_prefix, check_range, part_of
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.ports import Clock, StoredObject


class MemoryArtifacts:
    """`ArtifactStore` in a dictionary. ``clock`` gives the dates of objects; by default it is the system's clock."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._objects: dict[str, bytes] = {}
        self._put_at: dict[str, datetime] = {}
        self._clock = clock or SystemClock()
        self._storing_once = Lock()

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:  # noqa: ARG002 - it signs nothing
        """Store an object, or replace it."""
        check_key(key)
        self._put_at[key] = self._clock.now()
        self._objects[key] = b"".join(data)

    def put_all(self, objects: Mapping[str, Sequence[bytes | memoryview]]) -> None:
        """Store many objects, key → its parts in order, some at a time if the store is far away."""
        for key, parts in objects.items():
            self.put(key, *parts)

    def put_once(self, key: str, *data: bytes | memoryview) -> bool:
        """Store an object if there is none under the key; returns whether this call has stored it."""
        check_key(key)
        with self._storing_once:
            if key in self._objects:
                return False
            self.put(key, *data)
            return True

    def get(self, key: str) -> bytes:
        """The whole object."""
        check_key(key)
        try:
            return self._objects[key]
        except KeyError:
            raise ArtifactMissingError(f"there is no artifact {key}") from None

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of the object from byte ``start`` on; fewer if the object ends before."""
        check_range(key, start, length)
        return part_of(key, self.get(key), start, length)

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Copy the object's bytes from byte ``start`` on into ``buffer``, until the buffer is full or the object ends."""
        check_range(key, start, len(buffer))
        data = self.get(key)
        part = data[start : start + len(buffer)]
        buffer[: len(part)] = part
        return len(data)

    def size(self, key: str) -> int:
        """The object's size in bytes; the object is not read."""
        return len(self.get(key))

    def keys(self, prefix: str) -> Sequence[str]:
        """All keys that start with ``prefix``, sorted."""
        check_prefix(prefix)
        return sorted(key for key in list(self._objects) if key.startswith(prefix))

    def page(self, prefix: str, after: str, limit: int) -> Sequence[StoredObject]:
        """The first ``limit`` objects with this ``prefix`` that come after the key ``after``, if it is not empty."""
        check_page(prefix, after, limit)
        later = [key for key in self.keys(prefix) if key.split("/") > after.split("/")]
        return [StoredObject(key, self._put_at[key]) for key in nsmallest(limit, later, key=lambda key: key.split("/"))]

    def now(self) -> datetime:
        """The time of the store's clock, by which objects are dated."""
        return self._clock.now()

    def delete(self, key: str) -> None:
        """Remove the object."""
        check_key(key)
        self._objects.pop(key, None)

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove many objects, in few requests if the store allows it."""
        for key in keys:
            self.delete(key)

    def ping(self) -> None:
        """Check that the store answers and accepts our credentials. Memory always answers."""
