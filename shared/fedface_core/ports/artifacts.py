"""The port of the artifact store, for updates, partials, model versions, class embeddings, reports and manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing shows it."""

    key: str
    modified: datetime
    """When the object was last put: an aware datetime in UTC by the store's clock, to the second or finer."""


class Signatures(Protocol):
    """What the services have signed in the artifact store (`fedface_core.signing`)."""

    def bytes_behind(self) -> int:
        """How many bytes behind an object are its signature. The store is not asked."""

    def signed_sha256(self, key: str, size: int, behind: bytes | None = None) -> str | None:
        """The SHA-256 of an object of ``size`` bytes, as the service that makes such objects has signed it for this key.

        None if nothing in the store is signed. `SignatureError` if it is not signed so, `ArtifactMissingError` if there is
        no such object. The object itself is not read: the caller compares. ``behind`` are the `bytes_behind` bytes behind
        the object, if the caller has read them with its end: then the store is not asked.
        """


class NothingSigned:
    """`Signatures` of a store that only this process can write, such as one in its memory."""

    def bytes_behind(self) -> int:
        """None."""
        return 0

    def signed_sha256(self, key: str, size: int, behind: bytes | None = None) -> str | None:
        """None: nothing in the store is signed."""


class ArtifactStore(Protocol):
    """A store of objects by key. A put is atomic: a reader sees the old object, the new object or none, never a part.

    Keys are relative paths of letters, digits and ``-_./`` without empty, ``.`` or ``..`` segments. Every method raises
    `InvalidInputError` if its key is of another form, and `UnavailableError` if the store does not answer, refuses our
    credentials, or is full.
    """

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:
        """Store an object, or replace it. ``data`` is the whole object, or its parts in order.

        After the call every reader sees the new object. ``sha256`` is the SHA-256 of the whole object, if the caller has it:
        a store that signs need not compute it once more.
        """

    def put_all(self, objects: Mapping[str, Sequence[bytes | memoryview]]) -> None:
        """Store many objects, key → its parts in order, some at a time if the store is far away.

        A call that failed or was interrupted may have stored some of the objects; it can be repeated.
        """

    def put_once(self, key: str, *data: bytes | memoryview) -> bool:
        """Store an object if there is none under the key; returns whether this call has stored it.

        Of several calls at once one stores its object, and no call changes an object that is there. After the call every
        reader sees the object. If the connection broke off, the call that has stored the object may return False: compare
        what is there with what was given. For small objects: ``data`` is joined in memory.
        """

    def get(self, key: str) -> bytes:
        """The whole object. `ArtifactMissingError` names the key if there is no such object."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of the object from byte ``start`` on; fewer if the object ends before.

        `InvalidInputError` if ``start`` is negative, or at or past the end, or ``length`` is below 1;
        `ArtifactMissingError` if there is no such object.
        """

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Copy the object's bytes from byte ``start`` on into ``buffer``, until the buffer is full or the object ends.

        Returns the size of the object in bytes. No memory is allocated for the bytes. If the object ends before ``start``,
        the buffer stays unchanged. `InvalidInputError` if the buffer is empty or ``start`` is negative;
        `ArtifactMissingError` if there is no such object.
        """

    def size(self, key: str) -> int:
        """The object's size in bytes; the object is not read. `ArtifactMissingError` if there is no such object."""

    def keys(self, prefix: str) -> Sequence[str]:
        """All keys that start with ``prefix``, sorted. The empty prefix gives every key.

        `InvalidInputError` if no key can start with ``prefix``.
        """

    def page(self, prefix: str, after: str, limit: int) -> Sequence[StoredObject]:
        """The first ``limit`` objects with this ``prefix`` that come after the key ``after``, if it is not empty.

        Keys are in order segment by segment: all of a folder comes together. There need be no object ``after``, but
        if a folder has this name, it may be left out. An object that is put or removed while pages are read may be on a
        page or not; every other object is on one page. A page with fewer than ``limit`` objects is the last one.
        `InvalidInputError` if no key can start with ``prefix``, or ``after`` is no key.
        """

    def now(self) -> datetime:
        """The time of the store's clock, by which objects are dated: an aware datetime in UTC, to the second or finer.

        Ages of objects are measured by it: the clock of the caller, or of the ledger, may differ.
        """

    def delete(self, key: str) -> None:
        """Remove the object. It is no error if there is no such object."""

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove many objects, in few requests if the store allows it. It is no error if some objects do not exist.

        A call that failed or was interrupted may have removed some of the objects; it can be repeated.
        """

    def ping(self) -> None:
        """Check that the store answers and accepts our credentials. `UnavailableError`, which says what is wrong, if not."""
