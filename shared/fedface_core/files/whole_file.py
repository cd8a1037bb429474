"""Writes files so that each is whole or as it was before, whatever stops the process.

A file is written under a hidden name in its folder, then renamed. If a process is killed, the hidden file
``.fedface-….part`` stays.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.file_problem import file_problem, naming


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, as `whole_file` describes."""
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file, which becomes ``path`` when the block ends. If an error leaves the block, ``path`` stays as it was.

    Missing folders are made. A symbolic link stays, and the file that it points to is written. A file that existed keeps its
    permissions. A device or a pipe stays too: the bytes are copied into it when the block ends. `OSError`, which names
    ``path``, if it cannot be written; `InvalidInputError` if it is a folder, a disk or a socket.
    """
    with naming(path):
        mode = _mode(path)
        opened = _replacement(path, mode) if mode is None or stat.S_ISREG(mode) else _copied_into(path, mode)
        with opened as file:
            yield file


def make_folder(folder: Path) -> None:
    """Make a folder and its parents if they are missing. `OSError`, which names the path, if that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        # The system says only that something exists.
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def check_writable(path: Path) -> None:
    """Raise `InvalidInputError` if `whole_file` could not write ``path`` now. Call this before work that takes minutes."""
    try:
        mode = _mode(path)
        if mode is not None and not stat.S_ISREG(mode):
            _check_copyable(path, mode)
            return
        if mode is not None:
            _check_access(_target(path))
        folder = next(parent for parent in _target(path).absolute().parents if parent.exists())
        make_folder(folder)  # raises if it is no folder
        _check_access(folder)
    except OSError as error:
        raise file_problem(error) or error from None


def _mode(path: Path) -> int | None:
    """The kind and the permissions of what ``path`` leads to; None if there is nothing."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _target(path: Path) -> Path:
    """The path without symbolic links at its end."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@contextmanager
def _replacement(path: Path, mode: int | None) -> Iterator[IO[bytes]]:
    target = _target(path)
    make_folder(target.parent)
    if mode is not None:
        _check_access(target)  # the system would let a renamed file replace one that may not be written
    part = target.with_name(f".fedface-{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
        if mode is not None:
            part.chmod(stat.S_IMODE(mode))
        part.replace(target)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename == str(part):
            error.filename = str(path)
        part.unlink(missing_ok=True)
        raise


@contextmanager
def _copied_into(path: Path, mode: int) -> Iterator[IO[bytes]]:
    _check_copyable(path, mode)
    with tempfile.TemporaryFile() as file:
        yield file
        file.seek(0)
        with path.open("wb") as device:
            shutil.copyfileobj(file, device)


def _check_copyable(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise InvalidInputError(f"{path} is a folder: give the name of a file")
    if not (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
        raise InvalidInputError(f"{path} is a disk or a socket, which FedFace does not write: give the name of a file")


def _check_access(path: Path) -> None:
    if not os.access(path, os.W_OK):
        number = errno.EROFS if os.statvfs(path).f_flag & os.ST_RDONLY else errno.EACCES
        raise OSError(number, os.strerror(number), str(path))
