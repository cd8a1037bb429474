"""Delivers updates in the background, while the next clients train."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from fedface_client.attempt import Attempt
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.client.update import Update

# One thread for the whole process. It starts with the first delivery: a thread that started earlier would not survive the
# fork of the worker's processes. It rounds as the thread that starts it: denormal numbers are flushed in both or in none.
_THREAD: Final = ThreadPoolExecutor(1, "background-delivery")


@dataclass(frozen=True)
class Delivery:
    """What is left to do for a client that has trained, or whose update an earlier attempt has put."""

    attempt: Attempt
    finish: Callable[[], Update | AcceptedUpdate | None]
    """Gives the update; None if there is none to deliver."""

    @property
    def client(self) -> str:
        """The client that is delivered."""
        return self.attempt.invitation.client_id

    def carry_out(self) -> None:
        """Encode the update if it is not encoded yet, put it, and have its acceptance recorded."""
        update = self.finish()
        if update is not None:
            self.attempt.deliver(update)


class BackgroundDelivery:
    """Delivers the updates of clients that trained at once, one update at a time and in order, while the next ones train.

    So updates of two groups at most are in memory, the one that is delivered and the one that trains. An error of a delivery
    is raised by the next `wait`, at the latest at the end of the ``with`` block. A process that is told to end does not
    wait: its delivery then breaks off, as if the process were killed.
    """

    def __init__(self) -> None:
        self._pending: Future[None] | None = None
        self._left: deque[Delivery] = deque()

    @property
    def undelivered(self) -> list[str]:
        """After a delivery has failed: the clients whose deliveries were to follow it."""
        return [delivery.client for delivery in self._left]

    def begin(self, deliveries: Sequence[Delivery]) -> None:
        """Begin with these deliveries in the caller's logging context.

        Waits for those before them, and raises the error of the one that failed.
        """
        self.wait()
        self._left = deque(deliveries)
        self._pending = _THREAD.submit(copy_context().run, self._carry_out, self._left)

    def carry_out(self, deliveries: Sequence[Delivery]) -> None:
        """As `begin`, but return when all of these are delivered. Raises the error of the one that failed."""
        self.wait()
        self._left = deque(deliveries)
        self._carry_out(self._left)

    def wait(self) -> None:
        """Return when no delivery is pending. Raises the error of a delivery that failed."""
        if self._pending is not None:
            pending = self._pending
            self._pending = None
            pending.result()

    @staticmethod
    def _carry_out(left: deque[Delivery]) -> None:
        while left:
            left.popleft().carry_out()  # and then its memory is free

    def __enter__(self) -> Self:
        """Return this object; no delivery is pending yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for the pending deliveries, also if the caller failed; do not wait if the process ends."""
        if kind is None or issubclass(kind, Exception):
            self.wait()
        else:
            self._left.clear()  # the thread begins with none of the others
