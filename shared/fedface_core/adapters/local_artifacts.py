"""Artifacts in a directory, for one machine. A put is atomic and durable: write aside, flush to disk, rename."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fedface_core.adapters.artifact_keys import check_key, check_prefix, check_range, range_past_end
from fedface_core.domain.errors import ArtifactMissingError, UnavailableError

# Where files are written before they get their name. No key can contain '~', so it is never read or listed.
_ASIDE = "~incoming"

_MISSING = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR)


class LocalArtifacts:
    """`ArtifactStore` below ``directory``, which is created. Several processes may share it."""

    def __init__(self, directory: Path) -> None:
        self._root = directory.absolute()
        with self._faults(self._root):
            self._make_directory(self._root / _ASIDE)

    def put(self, key: str, data: bytes) -> None:
        """See `ArtifactStore.put`."""
        target = self._path(key)
        with self._faults(target):
            self._make_directory(target.parent)
            handle, aside = tempfile.mkstemp(dir=self._root / _ASIDE)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(aside).replace(target)
            except BaseException:
                Path(aside).unlink(missing_ok=True)
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

    def size(self, key: str) -> int:
        """See `ArtifactStore.size`."""
        path = self._path(key)
        with self._faults(path, key):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            return path.stat().st_size

    def keys(self, prefix: str) -> Sequence[str]:
        """See `ArtifactStore.keys`."""
        check_prefix(prefix)
        # Only the prefix's own folder is walked, not the whole store.
        folder = self._root / prefix.rpartition("/")[0]
        found: list[str] = []
        with self._faults(folder):
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

    def ping(self) -> None:
        """See `ArtifactStore.ping`: a file can be written aside."""
        with self._faults(self._root / _ASIDE), tempfile.TemporaryFile(dir=self._root / _ASIDE) as file:
            file.write(b"ping")

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key

    def _make_directory(self, directory: Path) -> None:
        """Make a directory and its parents durably: a new name lasts when the directory that holds it is flushed."""
        if directory.is_dir():
            return
        self._make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        _flush_directory(directory.parent)

    @contextmanager
    def _faults(self, path: Path, key: str | None = None) -> Iterator[None]:
        """Turn the operating system's errors into ours; a missing file is a missing artifact where a key was asked for."""
        try:
            yield
        except OSError as error:
            if key is not None and error.errno in _MISSING:
                raise ArtifactMissingError(f"there is no artifact {key}") from error
            raise UnavailableError(
                f"cannot use {path} for artifacts: {error.strerror}; give FEDFACE_ARTIFACT_DIRECTORY a directory with "
                "free space that this user may write"
            ) from error


def _flush_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unless_missing(error: OSError) -> None:
    if error.errno not in _MISSING:
        raise error
