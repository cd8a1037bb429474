"""An artifact store whose objects are signed by the services that make them, and believed only if they are (ADR 29).

The signature is a trailer of the object, which readers of this store never see. A put with its signature is as atomic as the
store's own put.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from threading import Lock
from typing import Final

import structlog

from fedface_core.adapters.artifact_keys import check_range, part_of
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import InvalidInputError
from fedface_core.ports import ArtifactStore, ForwardedArtifacts
from fedface_core.signing.blocks import BLOCK_BYTES, DIGEST_BYTES, block_digests, blocks_in, digest_of, is_block
from fedface_core.signing.errors import UnsignedError
from fedface_core.signing.keys import Keyring
from fedface_core.signing.life import current_life
from fedface_core.signing.makers import IN_BLOCKS, TOGETHER
from fedface_core.signing.trailer import (
    TRAILER_BYTES,
    Content,
    changed,
    content_of,
    has_trailer,
    is_signed,
    make_shared_trailers,
    make_trailer,
    read_object,
    read_trailer,
)

log = structlog.get_logger(__name__)

_NOTHING: Final = memoryview(b"")
_REMEMBERED: Final = 4
"""Of how many large objects the digests are remembered: a reducer reads one partial after the other."""


class SignedArtifacts(ForwardedArtifacts):
    """`ArtifactStore` and `Signatures` over ``store``. Kinds that nobody signs are passed on.

    ``keyring`` signs and checks. Of the kinds ``may_be_unsigned``, an object without any signature is believed, and logged:
    that of a FedFace which did not sign. Every read of a signed kind raises `SignatureError` if the object is not signed by
    the service that makes such objects, except `read_into`, which says so itself.
    """

    def __init__(self, store: ArtifactStore, keyring: Keyring, may_be_unsigned: Collection[str] = ()) -> None:
        super().__init__(store)
        self._keyring = keyring
        self._may_be_unsigned = frozenset(may_be_unsigned)
        self._digests: dict[tuple[str, str | None], tuple[int, bytes]] = {}
        self._lock = Lock()

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:
        """Store an object, or replace it, with its signature. `SignatureError` if this service may not make it.

        An update is hashed when it is made: ``sha256`` saves most of the time that its signature would take.
        """
        if not is_signed(key):
            self._store.put(key, *data, sha256=sha256)
            return
        if object_keys.kind(key) in IN_BLOCKS:
            with self._lock:
                self._digests.clear()
            digests = block_digests(data)
            size = sum(map(len, data))
            self._store.put(key, *data, digests, make_trailer(self._keyring, key, Content(size, digest_of(digests))))
            return
        self._store.put(key, *self._signed(key, data, sha256))

    def put_once(self, key: str, *data: bytes | memoryview) -> bool:
        """Store an object with its signature if there is none under the key; returns whether this call has stored it.

        `SignatureError` if this service may not make it.
        """
        assert object_keys.kind(key) not in IN_BLOCKS | TOGETHER, "an object that is put once is signed as a whole"
        return self._store.put_once(key, *(self._signed(key, data) if is_signed(key) else data))

    def put_all(self, objects: Mapping[str, Sequence[bytes | memoryview]]) -> None:
        """Store many objects, some at a time if the store is far away. Those of a signed kind share one signature."""
        contents = {key: content_of(parts) for key, parts in objects.items() if is_signed(key)}
        assert all(object_keys.kind(key) in TOGETHER for key in contents), "an object of another kind is put alone"
        trailers = make_shared_trailers(self._keyring, contents)
        self._store.put_all({key: (*parts, trailers[key]) if key in trailers else parts for key, parts in objects.items()})

    def get(self, key: str) -> bytes:
        """The whole object, without its signature."""
        data = self._store.get(key)
        if not is_signed(key):
            return data
        if self._believes_unsigned(key, data):
            return data
        if object_keys.kind(key) in IN_BLOCKS:
            size, digests = self._blocks(key, len(data), 0, memoryview(data))
            self._check_blocks(key, 0, memoryview(data)[:size], digests)
            return data[:size]
        return read_object(self._keyring, key, data)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of the object from byte ``start`` on; fewer if the object ends before."""
        if not is_signed(key):
            return self._store.get_range(key, start, length)
        check_range(key, start, length)
        return part_of(key, self.get(key), start, length)

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Copy the object's bytes from byte ``start`` on into ``buffer``, until the buffer is full or the object ends.

        A partial is read in whole blocks of `fedface_core.signing.blocks`, each of which is checked, and a row is checked as
        a whole. Of any other object the bytes are not checked: the reader compares their SHA-256 with `signed_sha256`. What
        is in the buffer after the object's end is not a part of it, but its signature, if the buffer has room for that.
        """
        if not is_signed(key):
            return self._store.read_into(key, start, buffer)
        if object_keys.kind(key) in TOGETHER:
            check_range(key, start, len(buffer))
            data = self.get(key)
            read = data[start : start + len(buffer)]
            memoryview(buffer)[: len(read)] = read
            return len(data)
        stored = self._store.read_into(key, start, buffer)
        if object_keys.kind(key) not in IN_BLOCKS:
            return max(0, stored - TRAILER_BYTES)
        size, digests = self._blocks(key, stored, start, memoryview(buffer)[: max(0, stored - start)])
        self._check_blocks(key, start, memoryview(buffer)[: max(0, size - start)], digests)
        return size

    def bytes_behind(self) -> int:
        """How many bytes behind an object are its signature."""
        return TRAILER_BYTES

    def signed_sha256(self, key: str, size: int, behind: bytes | None = None) -> str:
        """The SHA-256 of an object of ``size`` bytes, as the service that makes such objects has signed it."""
        if object_keys.kind(key) in TOGETHER:
            return content_of([self.get(key)]).sha256
        if behind is not None:
            return read_trailer(self._keyring, key, size, behind).sha256
        try:
            trailer = self._store.get_range(key, size, TRAILER_BYTES + 1)
        except InvalidInputError:
            trailer = b""
        if len(trailer) != TRAILER_BYTES or not has_trailer(trailer):  # it has another size than the caller was told
            stored = self._store.size(key)
            size = max(0, stored - TRAILER_BYTES)
            trailer = self._store.get_range(key, size, TRAILER_BYTES) if stored else b""
        return read_trailer(self._keyring, key, size, trailer).sha256

    def size(self, key: str) -> int:
        """The object's size in bytes without its signature. Only those of a partial and of a row are read and checked."""
        if not is_signed(key):
            return self._store.size(key)
        if object_keys.kind(key) in TOGETHER:
            return len(self.get(key))
        if object_keys.kind(key) in IN_BLOCKS:
            return self._blocks(key, self._store.size(key))[0]
        return max(0, self._store.size(key) - TRAILER_BYTES)

    def _signed(
        self, key: str, data: Sequence[bytes | memoryview], sha256: str | None = None
    ) -> tuple[bytes | memoryview, ...]:
        """The parts of an object with its signature. ``sha256`` is that of all parts together, if it is known."""
        content = content_of(data) if sha256 is None else Content(sum(map(len, data)), sha256)
        return (*data, make_trailer(self._keyring, key, content))

    def _believes_unsigned(self, key: str, data: bytes) -> bool:
        if object_keys.kind(key) not in self._may_be_unsigned or has_trailer(data):
            return False
        log.warning("unsigned_object_believed", key=key)
        return True

    def _blocks(self, key: str, stored: int, start: int = 0, read: memoryview = _NOTHING) -> tuple[int, bytes]:
        """The size of an object that is signed block by block, and the digests of its blocks, which are read once.

        Of the ``stored`` bytes at the key, those from byte ``start`` on have been ``read``, as far as there was room: mostly
        the digests, too.
        """
        name = (key, current_life())
        with self._lock:
            if name in self._digests:
                return self._digests[name]
        rest = stored - TRAILER_BYTES
        if rest < 0:
            raise UnsignedError(f"the object {key} is not signed: it is of a FedFace that did not sign, or forged")
        # An object of n blocks has n digests after it.
        count = -(-rest // (BLOCK_BYTES + DIGEST_BYTES))
        size = rest - count * DIGEST_BYTES
        end_start = max(0, size)
        if start <= end_start and start + len(read) == stored:
            end = bytes(read[end_start - start :])
        else:
            end = self._store.get_range(key, end_start, stored)
        digests = end[:-TRAILER_BYTES]
        signed = read_trailer(self._keyring, key, size, end[-TRAILER_BYTES:])
        if count != blocks_in(size) or digest_of(digests) != signed.sha256:
            raise changed(key)
        with self._lock:
            while len(self._digests) >= _REMEMBERED:
                del self._digests[next(iter(self._digests))]
            self._digests[name] = (size, digests)
        return size, digests

    def _check_blocks(self, key: str, start: int, data: memoryview, digests: bytes) -> None:
        """Check the bytes of the object from byte ``start`` on, which are whole blocks."""
        assert start % BLOCK_BYTES == 0, "who reads blocks begins with one"
        for offset in range(0, len(data), BLOCK_BYTES):
            if not is_block(data[offset : offset + BLOCK_BYTES], (start + offset) // BLOCK_BYTES, digests):
                raise changed(key)
