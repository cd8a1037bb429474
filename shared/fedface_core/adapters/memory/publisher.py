"""A task publisher that keeps the published commands in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pydantic import BaseModel

from fedface_core.contracts.tasks import ROUTES, queue_of
from fedface_core.ports.publisher import WorkerPresence


class RecordingPublisher:
    """`TaskPublisher` that keeps the published commands in ``published``, in order, each with its correlation id.

    They stay in the queues, though each queue has a worker but those in ``without_workers``.
    """

    def __init__(self) -> None:
        self.published: list[tuple[BaseModel, str]] = []
        self.delayed: dict[tuple[BaseModel, str], float] = {}
        """What was published for later → after how many seconds. Nobody moves it into ``published``."""
        self.without_workers: set[str] = set()
        """The queues from which no worker takes."""
        self._lock = threading.Lock()

    @property
    def commands(self) -> list[BaseModel]:
        """The published commands without their correlation ids."""
        return [command for command, _ in self.published]

    def publish(self, command: BaseModel, *, correlation_id: str) -> None:
        """Put one command into the queue that `fedface_core.contracts.tasks.queue_of` names."""
        self.publish_all([command], correlation_id=correlation_id)

    def publish_all(self, commands: Sequence[BaseModel], *, correlation_id: str) -> None:
        """Put many commands, in order, into the queues that `fedface_core.contracts.tasks.queue_of` names."""
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
        return sum(queue_of(command) == queue for command in self.commands)

    def workers(self, queue: str) -> Sequence[WorkerPresence]:
        """One worker, which takes nothing; none of a queue in ``without_workers``."""
        if queue in self.without_workers:
            return []
        return [WorkerPresence(name=f"{queue}@memory", device="cuda" if queue.endswith("-cuda") else "cpu", processes=1)]
