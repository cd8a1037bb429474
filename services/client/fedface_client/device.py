"""A client's simulated device: it holds one person's photographs, which never leave it, and has the plan's faults.

A device may not respond, be slow, have uploads break off, and be late. While a device waits, its worker waits too.
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

_MAX_PAUSE_SECONDS: Final = 8
_MAX_CACHED_BYTES: Final = 256 << 20
"""How much of one data set a worker process keeps in memory; it keeps two data sets at most. That is enough for 10 images
each of 9,500 clients at 56×48 in grey, or of 700 clients at 112×96 in colour. Torch itself takes about 400 MB."""


def photographs(plan: Plan, client: str) -> Tensor:
    """The client's images, uint8 (n, C, H, W). They stay in memory for later rounds, so the caller must not write to them.

    `InvalidInputError` if the plan's data set cannot be read or has too few identities.
    """
    dataset, identities = _open_clients(plan.data, ImageSize.of(plan.model), plan.split)
    return dataset.images(identities[client_index(client)])[: plan.data.images_per_client]


@lru_cache(maxsize=2)
def _open_clients(data: DataPlan, size: ImageSize, split: SplitPlan) -> tuple[FaceDataset, tuple[str, ...]]:
    """The data set, and its identities that are clients, in the order of the clients' ids."""
    dataset = open_dataset(data, size, split.identities)
    return CachedDataset(dataset, _MAX_CACHED_BYTES), split_identities(dataset.identities, split).clients


@dataclass(frozen=True)
class Device:
    """Simulates on the ``clock`` what one client's device does in one round. Each event is counted and logged."""

    behaviour: Behaviour
    upload_attempts: int
    clock: Clock

    @classmethod
    def of(cls, client: str, number: int, plan: Plan, clock: Clock) -> Self:
        """The device of a client in round ``number`` of a run with this plan, if the client's task arrives now."""
        now = None if plan.devices.always_available else clock.now()  # the clock asks the ledger, which takes a round trip
        return cls(behaviour(plan, client, number, now), plan.devices.upload_attempts, clock)

    def responds(self) -> bool:
        """Whether the device takes part in the round: it is available, and does not drop out."""
        if not self.behaviour.available:
            _count_event("unavailable")
            return False
        if self.behaviour.drops_out:
            _count_event("dropped_out")
            return False
        return True

    def simulate_slowness(self) -> None:
        """Wait for as long as the device takes to train. An ideal device does not wait, and does not call the clock."""
        if self.behaviour.seconds > 0:
            self.clock.sleep(self.behaviour.seconds)

    def upload(self, artifacts: ArtifactStore, key: str, data: bytes) -> bool:
        """Put an object after the simulated attempts that break off, with a pause after each.

        Returns False and puts nothing if all attempts that the plan allows break off.
        """
        for attempt in range(min(self.behaviour.upload_failures, self.upload_attempts)):
            _count_event("upload_failed", upload=attempt + 1, of=self.upload_attempts)
            if attempt + 1 == self.upload_attempts:
                return False
            self.clock.sleep(min(2**attempt, _MAX_PAUSE_SECONDS))
        artifacts.put(key, data)
        return True

    def simulate_lateness(self) -> None:
        """Wait if the device is late: after its update was put, and before it is accepted."""
        if self.behaviour.late_seconds > 0:
            _count_event("late", seconds=self.behaviour.late_seconds)
            self.clock.sleep(self.behaviour.late_seconds)


def _count_event(event: str, **details: float) -> None:
    DEVICE_EVENTS.labels(event).inc()
    log.info(f"device_{event}", **details)
