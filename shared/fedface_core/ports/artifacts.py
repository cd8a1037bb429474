"""The port of the artifact store: updates, partials, model versions, embeddings and reports, as objects by key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class ArtifactStore(Protocol):
    """Objects by key. A put is atomic: a reader sees the old object, the new one or none, never a part.

    Keys are relative paths of letters, digits and ``-_./`` without empty, ``.`` or ``..`` segments; every method refuses
    others with `InvalidInputError`. Beside the errors that a method names, each raises `UnavailableError` if the store does
    not answer, refuses us, or is full.
    """

    def put(self, key: str, *data: bytes | memoryview) -> None:
        """Store the object, replacing what was there. ``data`` is the whole object, or its parts in order.

        Once it has returned, every reader sees the new object.
        """

    def get(self, key: str) -> bytes:
        """The whole object. `ArtifactMissingError` names the key if there is no such object."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes from byte ``start`` on, or as many as are left.

        `InvalidInputError` if ``start`` is negative, or at or past the end, or ``length`` is below 1;
        `ArtifactMissingError` if there is no such object.
        """

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Copy the object's bytes from byte ``start`` on into ``buffer``, as many as both have. Returns the object's size.

        No memory is allocated for them; an object that ends before ``start`` leaves the buffer as it was.
        `InvalidInputError` if the buffer is empty or ``start`` negative; `ArtifactMissingError` if there is no such object.
        """

    def size(self, key: str) -> int:
        """The object's size in bytes, without reading it. `ArtifactMissingError` if there is no such object."""

    def modified(self, key: str) -> datetime:
        """When the object was last put, by the store's clock, in UTC with its zone, to the second or finer.

        `ArtifactMissingError` if there is no such object.
        """

    def keys(self, prefix: str) -> Sequence[str]:
        """All keys that start with ``prefix``, sorted; every key for the empty prefix.

        `InvalidInputError` if no key can start with ``prefix``.
        """

    def delete(self, key: str) -> None:
        """Remove the object; no error if there is none."""

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove many objects, in few requests if the store can; no error for those that are not there.

        After a call that failed or was cut short, some of them are gone; it can be repeated.
        """

    def ping(self) -> None:
        """Return if the store answers and takes us; else `UnavailableError`, saying what is wrong."""
