"""A client's simulated device: it holds one person's photographs, which never leave it, and is no better than its plan says.

It may not answer, take its time, have uploads break off, and be late. Its waiting occupies the worker, as the work of a
real device would occupy the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import structlog
from torch import Tensor

from fedface_core.domain.devices import Behaviour, behaviour
from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import DataPlan, Plan, SplitPlan
from fedface_core.ports import ArtifactStore, Clock
from fedface_core.runtime.metrics import DEVICE_EVENTS
from fedface_learning.data import CachedDataset, FaceDataset, ImageSize, open_dataset, split_identities

log = structlog.get_logger(__name__)

_LONGEST_PAUSE_SECONDS = 8
_MOST_BYTES: Final = 256 << 20
"""Of each of two data sets that a worker process keeps, which stands for many devices: 10 images of 9,500 clients at 56×48
in grey, or of 700 at 112×96 in colour. A process of that size takes some 400 MB for torch beside."""


def photographs(plan: Plan, client: str) -> Tensor:
    """The client's images, uint8 (n, C, H, W), not to be written to; a device has them at hand in every round.

    `InvalidInputError` if the plan's data set cannot give them.
    """
    dataset, identities = _open(plan.data, ImageSize.of(plan.model), plan.split)
    return dataset.images(identities[client_index(client)])[: plan.data.images_per_client]


@lru_cache(maxsize=2)
def _open(data: DataPlan, size: ImageSize, split: SplitPlan) -> tuple[FaceDataset, tuple[str, ...]]:
    dataset = open_dataset(data, size, split.identities)
    return CachedDataset(dataset, _MOST_BYTES), split_identities(dataset.identities, split).clients


@dataclass(frozen=True)
class Device:
    """What one client's device does in one round, acted out on the ``clock``; each event is counted and logged."""

    behaviour: Behaviour
    upload_attempts: int
    clock: Clock

    @classmethod
    def of(cls, client: str, number: int, plan: Plan, clock: Clock) -> Self:
        """The device of a client in round ``number`` of a run with this plan, as its task reaches it now."""
        return cls(behaviour(plan, client, number, clock.now()), plan.devices.upload_attempts, clock)

    def keeps_silent(self) -> bool:
        """Whether nothing will be heard of the device: it is not available, or drops out of the round."""
        if not self.behaviour.available:
            _note("unavailable")
            return True
        if self.behaviour.drops_out:
            _note("dropped_out")
            return True
        return False

    def take_time(self) -> None:
        """Be as slow as the device is; an ideal one does not even yield the processor."""
        if self.behaviour.seconds > 0:
            self.clock.sleep(self.behaviour.seconds)

    def upload(self, artifacts: ArtifactStore, key: str, data: bytes) -> bool:
        """Put an object, after the attempts that break off, with a pause after each. False if all of them break off."""
        for attempt in range(min(self.behaviour.upload_failures, self.upload_attempts)):
            _note("upload_failed", upload=attempt + 1, of=self.upload_attempts)
            if attempt + 1 == self.upload_attempts:
                return False
            self.clock.sleep(min(2**attempt, _LONGEST_PAUSE_SECONDS))
        artifacts.put(key, data)
        return True

    def be_late(self) -> None:
        """Wait if the device is late. Its update is stored by then, and not yet accepted."""
        if self.behaviour.late_seconds > 0:
            _note("late", seconds=self.behaviour.late_seconds)
            self.clock.sleep(self.behaviour.late_seconds)


def _note(event: str, **details: float) -> None:
    DEVICE_EVENTS.labels(event).inc()
    log.info(f"device_{event}", **details)
