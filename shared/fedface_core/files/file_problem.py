"""The system's errors about files as errors of ours: which file, and what the system said."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fedface_core.domain.errors import FedFaceError, InvalidInputError

# The path is wrong, and another one would do.
_WRONG_PATH: Final = frozenset({
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
})  # fmt: skip
# Errors about files that need not name one: a write to a disk that is full or fails, and no folder for temporary files.
_NAMELESS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOENT})


def file_problem(error: OSError) -> FedFaceError | None:
    """What a person has to know about an error of the system; None if the error is not about a file.

    `InvalidInputError` if the path is wrong, another `FedFaceError` if the disk is full or fails.
    """
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
    if name is None and error.errno not in _NAMELESS:
        return None
    what = "cannot write" if name is None else f"cannot use {name}"
    kind = InvalidInputError if error.errno in _WRONG_PATH else FedFaceError
    return kind(f"{what}: {error.strerror}")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add ``path`` to an `OSError` that leaves the block without the name of a file. A full disk gives such errors."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
