"""Delivers an update in the background, while the next client trains."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Final, Self

from fedface_client.attempt import Attempt
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.client.update import Update

# One thread for the whole process. It starts with the first delivery: a thread that started earlier would not survive the
# fork of the worker's processes.
_THREAD: Final = ThreadPoolExecutor(1, "background-delivery")


class BackgroundDelivery:
    """Delivers updates in the order in which they were begun, one at a time, so that only one update waits in memory.

    An error of a delivery is raised by the next `wait`, at the latest at the end of the ``with`` block. A process that is
    told to end does not wait: its delivery then breaks off, as if the process were killed.
    """

    def __init__(self) -> None:
        self._pending: Future[None] | None = None

    def begin(self, attempt: Attempt, update: Update | AcceptedUpdate) -> None:
        """Begin to deliver an attempt's update in the caller's logging context.

        Waits for the delivery before this one, and raises its error if it failed.
        """
        self.wait()
        self._pending = _THREAD.submit(copy_context().run, attempt.deliver, update)

    def wait(self) -> None:
        """Return when no delivery is pending. Raises the error of a delivery that failed."""
        if self._pending is not None:
            delivery = self._pending
            self._pending = None
            delivery.result()

    def __enter__(self) -> Self:
        """Return this object; no delivery is pending yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for the pending delivery, also if the caller failed; do not wait if the process ends."""
        if kind is None or issubclass(kind, Exception):
            self.wait()
