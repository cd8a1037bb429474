"""Artifacts in a directory, for one machine.

A put is atomic and durable: it writes a file aside, flushes it to disk, renames it, and flushes the folder of its new name.
A writer holds a lock on the file that it writes aside; if it is killed, the file stays behind unlocked, and whoever opens
the store next removes it.
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

# How often a put makes its folder anew that a delete has just removed, before it gives up.
_TRIES = 100

# What the system says of a path that is no file: nothing is there, a folder is, or the path goes on below a file.
_MISSING = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR)


class LocalArtifacts:
    """`ArtifactStore` below ``directory``, which is made if it is missing. Several processes may share it.

    `UnavailableError` if it cannot be made or written.
    """

    def __init__(self, directory: Path) -> None:
        self._root = directory.absolute()
        with self._faults(self._root):
            _make_directory(self._root / _ASIDE, below=Path(self._root.anchor))
            for aside in (self._root / _ASIDE).iterdir():
                _remove_if_abandoned(aside)

    def put(self, key: str, *data: bytes | memoryview) -> None:
        """See `ArtifactStore.put`. Once it has returned, the object outlives a power cut."""
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
        """See `ArtifactStore.keys`. Only the folder that the prefix names is walked, not the whole store."""
        check_prefix(prefix)
        folder = self._root / prefix.rpartition("/")[0]
        found: list[str] = []
        with self._faults(folder):
            (self._root / _ASIDE).stat()  # a store that is missing is not empty
            for parent, folders, files in os.walk(folder, onerror=_unless_missing):
                folders[:] = [name for name in folders if name != _ASIDE]
                below = Path(parent).relative_to(self._root).as_posix()
                found += files if below == "." else [f"{below}/{name}" for name in files]
        return sorted(key for key in found if key.startswith(prefix))

    def delete(self, key: str) -> None:
        """See `ArtifactStore.delete`. Removes the folders that it leaves empty."""
        path = self._path(key)
        try:
            with self._faults(path, key):
                path.unlink()
        except ArtifactMissingError:
            return
        with suppress(OSError):  # it stops at the first folder that is not empty
            for folder in path.relative_to(self._root).parents[:-1]:
                (self._root / folder).rmdir()

    def delete_all(self, keys: Sequence[str]) -> None:
        """See `ArtifactStore.delete_all`."""
        for key in keys:
            self.delete(key)

    def ping(self) -> None:
        """See `ArtifactStore.ping`. It writes a file aside."""
        with self._faults(self._root / _ASIDE), tempfile.TemporaryFile(dir=self._root / _ASIDE) as file:
            file.write(b"ping")

    def _name(self, aside: Path, target: Path) -> None:
        """Give the file ``aside`` the name ``target``, in a folder that is made if it is missing.

        A delete removes a folder that it leaves empty, so the folder may vanish before the file has come.
        """
        for _ in range(_TRIES):
            # FileExistsError is what mkdir says of a folder that was there, and had gone when it looked again.
            with suppress(FileNotFoundError, FileExistsError):
                _make_directory(target.parent, below=self._root)
                aside.replace(target)
                return
        aside.replace(target)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key

    @contextmanager
    def _faults(self, path: Path, key: str | None = None) -> Iterator[None]:
        """Turn the operating system's errors into ours: `ArtifactMissingError` if there is no file for ``key``, else
        `UnavailableError` about ``path``.

        If the whole store is missing, since its disk is not mounted, nothing is known of the key: that is unavailable too.
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
    """Make a directory, and those between it and ``below``, so that they outlive a power cut: a new name lasts once the
    directory that holds it is flushed.

    ``below`` itself has to be there: a store that has gone must not be made anew.
    """
    if directory == below or directory.is_dir():
        return
    _make_directory(directory.parent, below)
    directory.mkdir(exist_ok=True)
    _flush_directory(directory.parent)


def _create_locked(directory: Path) -> tuple[int, Path]:
    """A new file in ``directory``, open for writing and locked for as long as it is open: its descriptor and its path."""
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
    """Have the names that a directory holds outlive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unless_missing(error: OSError) -> None:
    if error.errno not in _MISSING:
        raise error
