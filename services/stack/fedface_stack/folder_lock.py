"""Lets one process at a time work in a folder, because two would write the same files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fedface_core.domain.errors import InvalidInputError


@contextmanager
def folder_locked(lock: Path, busy_message: str) -> Iterator[None]:
    """Hold a lock on the file ``lock`` until the block ends, or until this process ends for whatever reason.

    The file and its folder are made if they do not exist. `InvalidInputError` with the text ``busy_message`` if another
    process holds the lock, and with the reason if the file cannot be made.
    """
    # A soft lock, for file systems without flock, would remain after its process was killed.
    file_lock = FileLock(lock, blocking=False, thread_local=False, fallback_to_soft=False)
    with ExitStack() as resources:
        try:
            resources.enter_context(file_lock)
        except Timeout:
            raise InvalidInputError(busy_message) from None
        except OSError as error:
            raise InvalidInputError(f"cannot write {error.filename or lock}: {error.strerror}") from None
        yield
