"""Artifacts as files, for objects that need not be in memory as a whole."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import BinaryIO, Final, cast

from fedface_core.domain.errors import DamagedObjectError, UnavailableError
from fedface_core.ports import ArtifactStore
from fedface_core.signing.blocks import BLOCK_BYTES

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
    return io.BufferedReader(_Artifact(artifacts, key), _SMALL_READ_BYTES)


class _Artifact(io.RawIOBase):
    def __init__(self, artifacts: ArtifactStore, key: str) -> None:
        self._artifacts = artifacts
        self._key = key
        self._position = 0
        self._size: int | None = None  # unknown before the first read
        self._block = bytearray(BLOCK_BYTES)
        self._block_start: int | None = None  # where the block in memory lies in the object

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END and self._size is None:
            self._size = self._artifacts.size(self._key)
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size or 0}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._size is not None and self._position >= self._size:
            return 0
        offset = self._position % BLOCK_BYTES
        if self._block_start != self._position - offset:
            self._block_start = None  # until the block is read, there is none
            self._size = self._artifacts.read_into(self._key, self._position - offset, self._block)
            self._block_start = self._position - offset
        assert self._size is not None, "known once a block is read"
        count = max(0, min(len(buffer), BLOCK_BYTES - offset, self._size - self._position))
        buffer[:count] = memoryview(self._block)[offset : offset + count]
        self._position += count
        return count
