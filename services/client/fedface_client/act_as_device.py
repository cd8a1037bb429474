"""Acts out what a simulated device does: not answering, taking its time, uploads that break off, being late.

Waiting occupies this worker, as the work of a real device would occupy the device.
"""

from __future__ import annotations

import structlog

from fedface_core.domain.devices import Behaviour
from fedface_core.ports import ArtifactStore, Clock
from fedface_core.runtime.metrics import DEVICE_EVENTS

log = structlog.get_logger(__name__)

_LONGEST_PAUSE_SECONDS = 8


def keeps_silent(device: Behaviour) -> bool:
    """Whether nothing will be heard of the device: it is not available, or drops out of the round."""
    if not device.available:
        _note("unavailable")
        return True
    if device.drops_out:
        _note("dropped_out")
        return True
    return False


def take_time(device: Behaviour, clock: Clock) -> None:
    """Be as slow as the device is; an ideal one does not even yield the processor."""
    if device.seconds > 0:
        clock.sleep(device.seconds)


def upload(device: Behaviour, artifacts: ArtifactStore, clock: Clock, key: str, data: bytes, *, attempts: int) -> bool:
    """Put the update, after the attempts that break off, with a pause after each. False where all of them do."""
    for attempt in range(min(device.upload_failures, attempts)):
        _note("upload_failed", upload=attempt + 1, of=attempts)
        if attempt + 1 == attempts:
            return False
        clock.sleep(min(2**attempt, _LONGEST_PAUSE_SECONDS))
    artifacts.put(key, data)
    return True


def be_late(device: Behaviour, clock: Clock) -> None:
    """Wait where the device is late. Its update is stored by then, and not yet accepted."""
    if device.late_seconds > 0:
        _note("late", seconds=device.late_seconds)
        clock.sleep(device.late_seconds)


def _note(event: str, **details: float) -> None:
    DEVICE_EVENTS.labels(event).inc()
    log.info(f"device_{event}", **details)
