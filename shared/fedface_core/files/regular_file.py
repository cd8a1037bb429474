"""Opens files that somebody else named or put there: regular files only, and without ever waiting.

To open a named pipe waits until somebody writes into it, to open a device may set something in motion, and to read
``/dev/zero`` never ends. None of them holds a photograph or a list.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

# An open that could wait does not; and no terminal becomes that of this process.
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_KINDS: Final = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a disk",
    stat.S_IFDIR: "a folder",
}


def open_regular(path: Path, *, buffering: int = -1) -> BinaryIO:
    """Open a regular file to be read as bytes, where ``buffering`` is that of `open`.

    Links are followed. `OSError`, which names the path, if it cannot be opened, or is a pipe, a device, a socket or folder.
    """
    _check_regular(path.stat().st_mode, path)  # a device must not even be opened
    descriptor = os.open(path, _FLAGS)
    try:
        _check_regular(os.fstat(descriptor).st_mode, path)  # what lies there may have been exchanged since
        return os.fdopen(descriptor, "rb", buffering=buffering)
    except BaseException:
        os.close(descriptor)
        raise


def _check_regular(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise OSError(errno.EINVAL, f"It is {kind}, and no file", str(path))
