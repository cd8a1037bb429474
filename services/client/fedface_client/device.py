"""A client's simulated device: it holds one person's photographs, which never leave it, and has the plan's faults.

A device may not respond, be slow, have uploads break off, and be late. While a device waits, its task waits in the broker,
and the worker is free for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import structlog
from torch import Tensor

from fedface_client.invitation import Invitation
from fedface_core.domain.devices import Behaviour, RoundTask, Wait, behaviour
from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_core.ports import ArtifactStore, Clock
from fedface_core.runtime.metrics import DEVICE_EVENTS, DeviceEvent
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)

_MAX_PAUSE_SECONDS: Final = 8.0
MAX_IMAGE_BYTES: Final = 256 << 20
"""How much of one data set a worker process keeps in memory; it keeps two data sets at most. That is enough for 10 images
each of 9,500 clients at 56×48 in grey, or of 700 clients at 112×96 in colour. Torch itself takes about 400 MB."""


def photographs(workbench: Workbench, invitation: Invitation) -> Tensor:
    """The invited client's images, uint8 (n, C, H, W). They stay in memory for later rounds, so they must not be written to.

    `InvalidInputError` if the plan's data set cannot be read, has too few identities, or has other identities than when the
    run was prepared: then the photographs could be those of another person.
    """
    plan = invitation.plan
    faces = workbench.photographs(plan, invitation.opened_round)
    return faces.dataset.images(faces.split.clients[client_index(invitation.client_id)])[: plan.data.images_per_client]


@dataclass(frozen=True)
class Device:
    """Simulates what one client's device does in one round. Each event is counted and logged."""

    behaviour: Behaviour
    upload_attempts: int

    @classmethod
    def of(cls, client: str, number: int, plan: Plan, clock: Clock) -> Self:
        """The device of a client in round ``number`` of a run with this plan, if the client's task arrives now."""
        now = None if plan.devices.always_available else clock.now()  # the clock asks the ledger, which takes a round trip
        return cls(behaviour(plan, client, number, now), plan.devices.upload_attempts)

    def responds(self, task: RoundTask) -> bool:
        """Whether the device answers this task of the round: it is available, and has not dropped out."""
        if not self.behaviour.available:
            _count_event(DeviceEvent.UNAVAILABLE)
            return False
        if not self.behaviour.answers(task):
            _count_event(DeviceEvent.DROPPED_OUT)
            return False
        return True

    def seconds_of(self, wait: Wait) -> float:
        """How long the device waits: 0 if it is an ideal one.

        The pauses between uploads that break off are part of the wait before the training. So the update need not be kept
        meanwhile.
        """
        if wait is Wait.NEXT_ROUND:
            return 0.0
        if wait is Wait.DELIVERY:
            return self.behaviour.late_seconds
        breaking_off = min(self.behaviour.upload_failures, self.upload_attempts - 1)
        return self.behaviour.seconds + sum(min(2.0**attempt, _MAX_PAUSE_SECONDS) for attempt in range(breaking_off))

    @property
    def waits(self) -> bool:
        """Whether the device waits at all."""
        return any(self.seconds_of(wait) > 0 for wait in Wait)

    def upload(self, artifacts: ArtifactStore, key: str, data: bytes, sha256: str) -> bool:
        """Put an object, which has this SHA-256, after the simulated attempts that break off.

        Returns False and puts nothing if all attempts that the plan allows break off.
        """
        for attempt in range(min(self.behaviour.upload_failures, self.upload_attempts)):
            _count_event(DeviceEvent.UPLOAD_FAILED, upload=attempt + 1, of=self.upload_attempts)
            if attempt + 1 == self.upload_attempts:
                return False
        artifacts.put(key, data, sha256=sha256)
        return True

    def is_late(self) -> None:
        """Count that the device is late: its update was put, and is accepted later."""
        _count_event(DeviceEvent.LATE, seconds=self.behaviour.late_seconds)


def _count_event(event: DeviceEvent, **details: float) -> None:
    DEVICE_EVENTS.labels(event).inc()
    log.info(f"device_{event}", **details)
