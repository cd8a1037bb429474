"""Artifacts in a directory, for one machine. A put is atomic and durable: write aside, flush to disk, rename.

A writer holds a lock on the file that it writes aside. A killed one leaves the file behind without the lock, and whoever
opens the store next removes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from fedface_core.adapters.artifact_keys import check_key, check_prefix, check_range, range_past_end
from fedface_core.domain.errors import ArtifactMissingError, UnavailableError

# Where files are written before they get their name. No key can contain '~', so it is never read or listed.
_ASIDE = "~incoming"

_TRIES = 100

_MISSING = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR)


class LocalArtifacts:
    """`ArtifactStore` below ``directory``, which is created. Several processes may share it."""

    def __init__(self, directory: Path) -> None:
        self._root = directory.absolute()
        with self._faults(self._root):
            _make_directory(self._root / _ASIDE, below=Path(self._root.anchor))
            for aside in (self._root / _ASIDE).iterdir():
                _remove_if_abandoned(aside)

    def put(self, key: str, *data: bytes | memoryview) -> None:
        """See `ArtifactStore.put`."""
        target = self._path(key)
        with self._faults(target):
            handle, aside = _create_locked(self._root / _ASIDE)
            with os.fdopen(handle, "wb") as file:
                try:
                    file.writelines(data)
                    file.flush()
                    os.fsync(file.fileno())
                    self._name(aside, target)
                except BaseException:
                    aside.unlink(missing_ok=True)
                    raise
            _flush_directory(target.parent)

    def get(self, key: str) -> bytes:
        """See `ArtifactStore.get`."""
        path = self._path(key)
        with self._faults(path, key):
            return path.read_bytes()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `ArtifactStore.get_range`."""
        path = self._path(key)
        check_range(key, start, length)
        with self._faults(path, key), path.open("rb") as file:
            file.seek(start)
            data = file.read(length)
        if not data:
            raise range_past_end(key, start)
        return data

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """See `ArtifactStore.read_into`."""
        path = self._path(key)
        check_range(key, start, len(buffer))
        with self._faults(path, key), path.open("rb", buffering=0) as file:
            file.seek(start)
            to_fill = memoryview(buffer)
            while count := file.readinto(to_fill):
                to_fill = to_fill[count:]
            return os.fstat(file.fileno()).st_size

    def size(self, key: str) -> int:
        """See `ArtifactStore.size`."""
        path = self._path(key)
        with self._faults(path, key):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            return path.stat().st_size

    def modified(self, key: str) -> datetime:
        """See `ArtifactStore.modified`."""
        path = self._path(key)
        with self._faults(path, key):
            return datetime.fromtimestamp(path.stat().st_mtime, UTC)

    def keys(self, prefix: str) -> Sequence[str]:
        """See `ArtifactStore.keys`."""
        check_prefix(prefix)
        # Only the prefix's own folder is walked, not the whole store.
        folder = self._root / prefix.rpartition("/")[0]
        found: list[str] = []
        with self._faults(folder):
            (self._root / _ASIDE).stat()  # a store that is missing is not empty
            for parent, folders, files in os.walk(folder, onerror=_unless_missing):
                folders[:] = [name for name in folders if name != _ASIDE]
                found += [(Path(parent) / name).relative_to(self._root).as_posix() for name in files]
        return sorted(key for key in found if key.startswith(prefix))

    def delete(self, key: str) -> None:
        """See `ArtifactStore.delete`."""
        path = self._path(key)
        try:
            with self._faults(path, key):
                path.unlink()
        except ArtifactMissingError:
            return
        with suppress(OSError):  # the first folder that is not empty
            for folder in path.relative_to(self._root).parents[:-1]:
                (self._root / folder).rmdir()

    def delete_all(self, keys: Sequence[str]) -> None:
        """See `ArtifactStore.delete_all`."""
        for key in keys:
            self.delete(key)

    def ping(self) -> None:
        """See `ArtifactStore.ping`: a file can be written aside."""
        with self._faults(self._root / _ASIDE), tempfile.TemporaryFile(dir=self._root / _ASIDE) as file:
            file.write(b"ping")

    def _name(self, aside: Path, target: Path) -> None:
        """Give the file its name. The folder may vanish in between: a delete removes one that it leaves empty."""
        for _ in range(_TRIES):
            with suppress(FileNotFoundError, FileExistsError):  # the latter is mkdir's, for one that has just gone
                _make_directory(target.parent, below=self._root)
                aside.replace(target)
                return
        aside.replace(target)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key

    @contextmanager
    def _faults(self, path: Path, key: str | None = None) -> Iterator[None]:
        """Turn the operating system's errors into ours; a missing file is a missing artifact where a key was asked for.

        Not so where the whole store is missing, a disk that is not mounted say: nothing is then known of the key.
        """
        try:
            yield
        except OSError as error:
            if key is not None and error.errno in _MISSING and (self._root / _ASIDE).is_dir():
                raise ArtifactMissingError(f"there is no artifact {key}") from error
            raise UnavailableError(
                f"cannot use {path} for artifacts: {error.strerror}; give FEDFACE_ARTIFACT_DIRECTORY a directory with "
                "free space that this user may write"
            ) from error


def _make_directory(directory: Path, below: Path) -> None:
    """Make a directory and its parents durably: a new name lasts when the directory that holds it is flushed.

    Only those ``below`` a directory that is there: a store that has gone must not be made anew.
    """
    if directory == below or directory.is_dir():
        return
    _make_directory(directory.parent, below)
    directory.mkdir(exist_ok=True)
    _flush_directory(directory.parent)


def _create_locked(directory: Path) -> tuple[int, Path]:
    """A new file, open for writing and locked for as long as it is open."""
    while True:
        aside = directory / secrets.token_hex(8)
        handle = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, aside
        os.close(handle)  # before it was locked, somebody took it for abandoned and removed it


def _remove_if_abandoned(aside: Path) -> None:
    """Remove a file that nobody holds locked: its writer is dead."""
    with suppress(FileNotFoundError, BlockingIOError), aside.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        aside.unlink()


def _flush_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unless_missing(error: OSError) -> None:
    if error.errno not in _MISSING:
        raise error
