"""One step at a time beside the caller's own work: an upload, while the next client trains."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Final, Self

# The process's own. Its thread starts with the first step, for threads do not survive the fork of a worker's processes.
_THREAD: Final = ThreadPoolExecutor(1, "beside")


class Beside:
    """Carries out steps in the order in which they were begun, never more than one at once: so what they hold is bounded.

    What a step raises is raised by the next `wait`, at the latest at the end of the ``with``.

    A process that is told to end does not wait: to the step it is as if it were killed.
    """

    def __init__(self) -> None:
        self._under_way: Future[None] | None = None

    def begin(self, step: Callable[[], None]) -> None:
        """Begin a step, once the one before has succeeded. Its logs name what the caller's do."""
        self.wait()
        self._under_way = _THREAD.submit(copy_context().run, step)

    def wait(self) -> None:
        """Return when nothing is under way; raise what went wrong with it."""
        if self._under_way is not None:
            step, self._under_way = self._under_way, None
            step.result()

    def __enter__(self) -> Self:
        """Nothing is under way yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait, also where the caller failed; not where its process ends."""
        if kind is None or issubclass(kind, Exception):
            self.wait()
