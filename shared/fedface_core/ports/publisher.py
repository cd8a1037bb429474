"""The port of the task publisher, which sends commands to the services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.device_kinds import DeviceKind

MOST_CHARACTERS: Final = 100
"""Of what a worker says of its software and its GPU."""


class WorkerPresence(BaseModel):
    """What a worker says of itself while it takes tasks from a queue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(max_length=300, description="Its name, unique among the workers that run.")]
    device: DeviceKind = Field(description="The kind of device that it computes on.")
    processes: Annotated[int, Field(ge=1, le=10_000, description="How many tasks it works on at once.")]
    torch: Annotated[str, Field(max_length=MOST_CHARACTERS)] | None = Field(
        default=None, description="Its version of torch; none if it computes nothing."
    )
    gpu: Annotated[str, Field(max_length=MOST_CHARACTERS)] | None = Field(
        default=None,
        exclude_if=lambda gpu: gpu is None,  # a worker without one is read by earlier versions too
        description="What its GPU is called; none if it computes on none, or does not know.",
    )


class TaskPublisher(Protocol):
    """Puts commands into the queues of their services, as JSON. Each command is delivered at least once, without a reply.

    Every method raises `UnavailableError` if the broker does not answer or cannot take messages now.
    """

    def publish(self, command: BaseModel, *, correlation_id: str) -> None:
        """Put one command into the queue that `fedface_core.contracts.tasks.queue_of` names.

        ``correlation_id`` names the run's work in the logs of all services.
        """

    def publish_all(self, commands: Sequence[BaseModel], *, correlation_id: str) -> None:
        """Put many commands, in order, into the queues that `fedface_core.contracts.tasks.queue_of` names.

        ``correlation_id`` names the run's work in the logs of all services. If an error is raised, the first commands may
        have been published.
        """

    def publish_later(self, command: BaseModel, *, correlation_id: str, seconds: float) -> None:
        """Have a command come into its queue after ``seconds``, by the ledger's clock. It waits once, however often it is
        published.

        `UnavailableError` also if as many commands wait as may.
        """

    def queue_depth(self, queue: str) -> int:
        """How many messages wait in a queue. Messages that a worker has taken are not counted."""

    def workers(self, queue: str) -> Sequence[WorkerPresence]:
        """The workers that take from a queue now: those that have said so within seconds."""
