"""One process at a time in a folder: a second one would write the same files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fedface_core.domain.errors import InvalidInputError


@contextmanager
def folder_locked(lock: Path, busy: str) -> Iterator[None]:
    """Hold the file ``lock``, made with its folder if there is none, until the block or this process ends, however it ends.

    `InvalidInputError` with the text ``busy`` if another process holds it, and with the reason if it cannot be made.
    """
    # A soft lock, for file systems without flock, would stay behind a process that is killed.
    alone = FileLock(lock, blocking=False, thread_local=False, fallback_to_soft=False)
    with ExitStack() as held:
        try:
            held.enter_context(alone)
        except Timeout:
            raise InvalidInputError(busy) from None
        except OSError as error:
            raise InvalidInputError(f"cannot write {error.filename}: {error.strerror}") from None
        yield
