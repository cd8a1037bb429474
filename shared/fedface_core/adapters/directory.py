"""The artifact store in a directory of one machine.

A put is atomic and durable: it writes a temporary file, flushes the file to disk, renames the file, and flushes the folder
of the new name. A put once gives the file its name by a hard link, which replaces no other file. A writer locks its
temporary file. If the writer is killed, the file remains without a lock, and the next process that opens the store removes
it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path
from typing import Final

from fedface_core.adapters.artifact_keys import check_key, check_page, check_prefix, check_range, range_past_end
from fedface_core.adapters.put_at_once import put_at_once
from fedface_core.domain.errors import ArtifactMissingError, UnavailableError
from fedface_core.ports import StoredObject

# The folder of temporary files. No key can contain '~', so these files are never read or listed.
_INCOMING = "~incoming"

_PUTS_AT_ONCE: Final = 8

# How often a put tries to name its file, though a delete has just removed the folder, before it gives up.
_NAMING_ATTEMPTS = 100

# Gives a temporary file the name of an object, and returns whether it has: not if the name may not be given twice.
_GiveName = Callable[[Path, Path], bool]

# The system's errors for a path that is no file: nothing exists there, a folder does, or a parent of the path is a file.
_MISSING = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR)


class LocalArtifacts:
    """`ArtifactStore` in ``directory``, which is created if it is missing. Several processes may share it.

    `UnavailableError` if the directory cannot be created or written.
    """

    def __init__(self, directory: Path) -> None:
        self._root = directory.absolute()
        with self._translated_errors(self._root):
            _make_directory(self._root / _INCOMING, below=Path(self._root.anchor))
            for file in (self._root / _INCOMING).iterdir():
                _remove_if_unlocked(file)

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:  # noqa: ARG002 - it signs nothing
        """Store an object, or replace it. After the call the object survives a power cut."""
        self._write(self._path(key), data, _replace)

    def put_once(self, key: str, *data: bytes | memoryview) -> bool:
        """Store an object if there is none under the key; returns whether this call has stored it.

        After the call the object that is there survives a power cut, whoever has stored it. The file system must have hard
        links.
        """
        return self._write(self._path(key), data, _link)

    def put_all(self, objects: Mapping[str, Sequence[bytes | memoryview]]) -> None:
        """Store many objects, key → its parts in order, `_PUTS_AT_ONCE` at a time.

        A put mostly waits for the disk, and the disk flushes what several threads wait for in one go.
        """
        put_at_once(self.put, objects, _PUTS_AT_ONCE)

    def get(self, key: str) -> bytes:
        """The whole object."""
        path = self._path(key)
        with self._translated_errors(path, key):
            return path.read_bytes()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of the object from byte ``start`` on; fewer if the object ends before."""
        path = self._path(key)
        check_range(key, start, length)
        with self._translated_errors(path, key), path.open("rb") as file:
            file.seek(start)
            data = file.read(length)
        if not data:
            raise range_past_end(key, start)
        return data

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Copy the object's bytes from byte ``start`` on into ``buffer``, until the buffer is full or the object ends."""
        path = self._path(key)
        check_range(key, start, len(buffer))
        with self._translated_errors(path, key), path.open("rb", buffering=0) as file:
            file.seek(start)
            unfilled = memoryview(buffer)
            while count := file.readinto(unfilled):
                unfilled = unfilled[count:]
            return os.fstat(file.fileno()).st_size

    def size(self, key: str) -> int:
        """The object's size in bytes; the object is not read."""
        path = self._path(key)
        with self._translated_errors(path, key):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            return path.stat().st_size

    def keys(self, prefix: str) -> Sequence[str]:
        """All keys that start with ``prefix``, sorted.

        Only the folder that the prefix names is read, not the whole store.
        """
        check_prefix(prefix)
        folder = self._root / prefix.rpartition("/")[0]
        found: list[str] = []
        with self._translated_errors(folder):
            (self._root / _INCOMING).stat()  # an error if the store is missing: such a store is not an empty one
            for parent, folders, files in os.walk(folder, onerror=_raise_unless_missing):
                folders[:] = [name for name in folders if name != _INCOMING]
                below = Path(parent).relative_to(self._root).as_posix()
                found += files if below == "." else [f"{below}/{name}" for name in files]
        return sorted(key for key in found if key.startswith(prefix))

    def page(self, prefix: str, after: str, limit: int) -> Sequence[StoredObject]:
        """The first ``limit`` objects with this ``prefix`` that come after the key ``after``, if it is not empty.

        Folders are not read whose objects all come before ``after`` or ``prefix``.
        """
        check_page(prefix, after, limit)
        below = prefix[: prefix.rfind("/") + 1]
        first = max(prefix, after, key=lambda key: key.split("/"))
        with self._translated_errors(self._root):
            (self._root / _INCOMING).stat()
            if not first.startswith(below):
                return []  # ``after`` comes after all keys of the prefix
            objects = _objects_from(self._root / below, below, first.removeprefix(below).split("/"))
            later = (stored for stored in objects if stored.key != after)
            return list(islice(takewhile(lambda stored: stored.key.startswith(prefix), later), limit))

    def now(self) -> datetime:
        """The time of the store's clock, by which objects are dated: that of the file system, which dates a new file."""
        incoming = self._root / _INCOMING
        with self._translated_errors(incoming):
            os.utime(incoming)  # the file system dates the folder now, by the clock that dates files; a full disk allows it
            return datetime.fromtimestamp(incoming.stat().st_mtime, UTC)

    def delete(self, key: str) -> None:
        """Remove the object. Folders that become empty are removed too."""
        path = self._path(key)
        try:
            with self._translated_errors(path, key):
                path.unlink()
        except ArtifactMissingError:
            return
        with suppress(OSError):  # the loop ends at the first folder that is not empty
            for folder in path.relative_to(self._root).parents[:-1]:
                (self._root / folder).rmdir()

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove many objects, in few requests if the store allows it."""
        for key in keys:
            self.delete(key)

    def ping(self) -> None:
        """Check that the store answers and accepts our credentials. It writes a temporary file."""
        incoming = self._root / _INCOMING
        with self._translated_errors(incoming), tempfile.TemporaryFile(dir=incoming) as file:
            file.write(b"ping")

    def _write(self, target: Path, data: Sequence[bytes | memoryview], give_name: _GiveName) -> bool:
        """Write a temporary file, and give it the name ``target``; returns whether it has got the name."""
        with self._translated_errors(target):
            descriptor, temporary = _create_locked(self._root / _INCOMING)
            with os.fdopen(descriptor, "wb") as file:
                try:
                    file.writelines(data)
                    file.flush()
                    os.fsync(file.fileno())
                    is_named = self._named(temporary, target, give_name)
                finally:
                    temporary.unlink(missing_ok=True)
            _flush_directory(target.parent)
        return is_named

    def _named(self, temporary: Path, target: Path, give_name: _GiveName) -> bool:
        """Whether the file ``temporary`` has got the name ``target``, whose folder is created if it is missing.

        A delete removes a folder that becomes empty, so the folder may vanish between its creation and the naming.
        """
        for _ in range(_NAMING_ATTEMPTS):
            # mkdir raises FileExistsError if the folder existed and has vanished before mkdir looks at it.
            with suppress(FileNotFoundError, FileExistsError):
                _make_directory(target.parent, below=self._root)
                return give_name(temporary, target)
        return give_name(temporary, target)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key

    @contextmanager
    def _translated_errors(self, path: Path, key: str | None = None) -> Iterator[None]:
        """Translate errors of the operating system: `ArtifactMissingError` if there is no file for ``key``, else
        `UnavailableError` about ``path``.

        If the whole store is missing, for example since its disk is not mounted, the object may exist: `UnavailableError`.
        """
        try:
            yield
        except OSError as error:
            if key is not None and error.errno in _MISSING and (self._root / _INCOMING).is_dir():
                raise ArtifactMissingError(f"there is no artifact {key}") from error
            raise UnavailableError(
                f"cannot use {path} for artifacts: {error.strerror}; give FEDFACE_ARTIFACT_DIRECTORY a directory with "
                "free space that this user may write"
            ) from error


def _replace(temporary: Path, target: Path) -> bool:
    temporary.replace(target)
    return True


def _link(temporary: Path, target: Path) -> bool:
    try:
        os.link(temporary, target)
    except FileExistsError as error:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target)) from error
        return False
    return True


def _objects_from(folder: Path, below: str, first: Sequence[str]) -> Iterator[StoredObject]:
    """The objects in ``folder`` in order, from the one with the segments ``first`` within the folder on.

    ``below`` is how their keys begin. A file or folder that is removed meanwhile is left out.
    """
    name, *rest = first or [""]
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.name < name or entry.name == _INCOMING:
            continue
        if entry.is_dir():
            yield from _objects_from(folder / entry.name, f"{below}{entry.name}/", rest if entry.name == name else [])
        elif entry.name > name or not rest:
            with suppress(FileNotFoundError):
                yield StoredObject(below + entry.name, datetime.fromtimestamp(entry.stat().st_mtime, UTC))


def _make_directory(directory: Path, below: Path) -> None:
    """Create a directory and its parents below ``below``, so that they survive a power cut.

    A new name is durable once the directory that contains it is flushed. ``below`` has to exist: a store that is gone must
    not be created again.
    """
    if directory == below or directory.is_dir():
        return
    _make_directory(directory.parent, below)
    directory.mkdir(exist_ok=True)
    _flush_directory(directory.parent)


def _create_locked(directory: Path) -> tuple[int, Path]:
    """The descriptor and the path of a new file in ``directory``. It is open for writing, and locked while it is open."""
    while True:
        path = directory / secrets.token_hex(8)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, path
        os.close(descriptor)  # another process has removed the file before it was locked


def _remove_if_unlocked(path: Path) -> None:
    """Remove a temporary file that no process has locked: its writer is dead."""
    with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def _flush_directory(directory: Path) -> None:
    """Flush the names in a directory to disk, so that they survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_unless_missing(error: OSError) -> None:
    if error.errno not in _MISSING:
        raise error
