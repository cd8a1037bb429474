"""A task publisher that keeps the published commands in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pydantic import BaseModel

from fedface_core.contracts.tasks import ROUTES


class RecordingPublisher:
    """`TaskPublisher` that keeps the published commands in ``published``, in order, each with its correlation id.

    No worker takes them from the queues.
    """

    def __init__(self) -> None:
        self.published: list[tuple[BaseModel, str]] = []
        self.delayed: dict[tuple[BaseModel, str], float] = {}
        """What was published for later → after how many seconds. Nobody moves it into ``published``."""
        self._lock = threading.Lock()

    @property
    def commands(self) -> list[BaseModel]:
        """The published commands without their correlation ids."""
        return [command for command, _ in self.published]

    def publish(self, command: BaseModel, *, correlation_id: str) -> None:
        """Put one command into the queue that `fedface_core.contracts.tasks.ROUTES` names for its type."""
        self.publish_all([command], correlation_id=correlation_id)

    def publish_all(self, commands: Sequence[BaseModel], *, correlation_id: str) -> None:
        """Put many commands, in order, into the queues that `fedface_core.contracts.tasks.ROUTES` names for their types."""
        assert all(type(command) in ROUTES for command in commands), "a command without a route"
        with self._lock:
            self.published.extend((command, correlation_id) for command in commands)

    def publish_later(self, command: BaseModel, *, correlation_id: str, seconds: float) -> None:
        """Keep a command in ``delayed``, once however often it is published."""
        assert type(command) in ROUTES, "a command without a route"
        with self._lock:
            self.delayed.setdefault((command, correlation_id), seconds)

    def queue_depth(self, queue: str) -> int:
        """How many messages wait in a queue."""
        return sum(ROUTES[type(command)].queue == queue for command in self.commands)
