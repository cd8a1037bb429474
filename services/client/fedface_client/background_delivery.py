"""Delivers an update in the background, while the next client trains."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Final, Self

from fedface_client.attempt import Attempt
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.client.update import Update

# The process's own. Its thread starts with the first delivery, for threads do not survive the fork of a worker's processes.
_THREAD: Final = ThreadPoolExecutor(1, "background-delivery")


class BackgroundDelivery:
    """Delivers updates in the order in which they were begun, never more than one at once: so what they hold is bounded.

    What a delivery raises is raised by the next `wait`, at the latest at the end of the ``with``.

    A process that is told to end does not wait: to the delivery it is as if it were killed.
    """

    def __init__(self) -> None:
        self._under_way: Future[None] | None = None

    def begin(self, attempt: Attempt, update: Update | AcceptedUpdate) -> None:
        """Begin to deliver an attempt's update, once the delivery before has succeeded. It logs in the caller's context."""
        self.wait()
        self._under_way = _THREAD.submit(copy_context().run, attempt.deliver, update)

    def wait(self) -> None:
        """Return when nothing is under way; raise what went wrong with it."""
        if self._under_way is not None:
            delivery = self._under_way
            self._under_way = None
            delivery.result()

    def __enter__(self) -> Self:
        """Nothing is under way yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait, also if the caller failed; not if its process ends."""
        if kind is None or issubclass(kind, Exception):
            self.wait()
