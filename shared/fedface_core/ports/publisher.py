"""The port of the task publisher: commands on their way to the services that carry them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel


class TaskPublisher(Protocol):
    """Puts commands on their queues as JSON. Each is delivered at least once, and nobody answers.

    Every method raises `UnavailableError` if the broker does not answer or cannot take messages now.
    """

    def publish(self, command: BaseModel, *, correlation_id: str) -> None:
        """Put one command on the queue that `fedface_core.contracts.tasks.ROUTES` names for its type.

        ``correlation_id`` names the run's work in every service's log.
        """

    def publish_all(self, commands: Sequence[BaseModel], *, correlation_id: str) -> None:
        """Put many commands on the queues that `fedface_core.contracts.tasks.ROUTES` names for their types, in order.

        ``correlation_id`` names the run's work in every service's log. After an error, the first of them may be published.
        """

    def queue_depth(self, queue: str) -> int:
        """How many messages wait in a queue; those that a worker holds are not counted."""
