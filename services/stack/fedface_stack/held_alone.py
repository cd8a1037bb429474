"""One process at a time in a folder: a second one would write the same files."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedface_core.domain.errors import InvalidInputError


@contextmanager
def held_alone(lock: Path, complaint: str) -> Iterator[None]:
    """Hold the file ``lock``, made where there is none. It is free again when this process ends, however it ends.

    `InvalidInputError` with the ``complaint`` where another process holds it, or where it cannot be made.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("ab")
    except OSError as error:
        raise InvalidInputError(f"cannot write {error.filename}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInputError(complaint) from None
        yield
