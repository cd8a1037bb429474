"""Artifacts as files, for objects that need not be in memory as a whole."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import BinaryIO, Final, cast

from fedface_core.domain.errors import DamagedObjectError, UnavailableError
from fedface_core.ports import ArtifactStore
from fedface_core.signing.blocks import BLOCK_BYTES
from fedface_learning.formats.block_file import BlockFile

_SMALL_READ_BYTES: Final = 2**16


def fetch_artifact(artifacts: ArtifactStore, key: str, sha256: str) -> BinaryIO:
    """Fetch an object as a file, positioned at its start. It is in memory, or above a block of 8 MB in a temporary
    file.

    `DamagedObjectError` if the object has another SHA-256, `ArtifactMissingError` if there is no such object,
    `UnavailableError` if the temporary file cannot be written.
    """
    block = memoryview(bytearray(BLOCK_BYTES))
    size = artifacts.read_into(key, 0, block)
    hashed = hashlib.sha256()
    file = io.BytesIO() if size <= len(block) else _temporary_file(key)
    try:
        for start in range(0, size, len(block)):
            if start:
                artifacts.read_into(key, start, block)
            hashed.update(block[: size - start])
            with _translated_errors(key):
                file.write(block[: size - start])
        _check_sha256(key, hashed.hexdigest(), sha256)
        with _translated_errors(key):
            file.seek(0)  # it writes what is buffered
    except BaseException:
        with suppress(OSError):  # what is buffered is not needed any more
            file.close()
        raise
    return file


def _check_sha256(key: str, found: str, expected: str) -> None:
    if found != expected:
        raise DamagedObjectError(f"the object {key} has the SHA-256 {found}: it was damaged")


def _temporary_file(key: str) -> BinaryIO:
    with _translated_errors(key):
        return cast("BinaryIO", TemporaryFile())


@contextmanager
def _translated_errors(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"cannot keep {key} in a temporary file: {error.strerror}; free some space, or have TMPDIR name a directory "
            "with more"
        ) from error


def open_artifact(artifacts: ArtifactStore, key: str) -> BinaryIO:
    """Open an object as a file whose parts are read from the store when they are needed, a block of 8 MB at a time.

    The first read raises `ArtifactMissingError` if there is no such object. Of a signed object each block is checked: a read
    raises `SignatureError` if it is not as it was signed.
    """
    return io.BufferedReader(BlockFile(StoredBlocks(artifacts, key, BLOCK_BYTES)), _SMALL_READ_BYTES)


def _believed(_index: int, _block: memoryview) -> None:
    """No check of a block beside the store's own."""


class StoredBlocks:
    """The blocks of an object, read from the store when they are asked for. One is in memory."""

    def __init__(
        self,
        artifacts: ArtifactStore,
        key: str,
        block_bytes: int,
        check: Callable[[int, memoryview], None] = _believed,
    ) -> None:
        """``check`` is given each block that was read, after its index, and raises an error if it is not the right one."""
        self.block_bytes = block_bytes
        self._artifacts = artifacts
        self._key = key
        self._check = check
        self._memory = bytearray(block_bytes)
        self._size: int | None = None  # unknown before the first read
        self._index: int | None = None  # of the block in memory
        self._block = memoryview(b"")

    @property
    def size(self) -> int:
        """The bytes of the object. If nothing was read so far, its first block is: that takes no request more."""
        if self._size is None:
            self._size = self._read(0)
        return self._size

    def block(self, index: int) -> memoryview:
        """The block with this index. The next call may overwrite it."""
        if index != self._index:
            self._size = self._read(index)
        return self._block

    def _read(self, index: int) -> int:
        self._index = None  # until the block is read, there is none
        start = index * self.block_bytes
        size = self._artifacts.read_into(self._key, start, self._memory)
        block = memoryview(self._memory)[: max(0, size - start)]
        self._check(index, block)
        self._block = block
        self._index = index
        return size
