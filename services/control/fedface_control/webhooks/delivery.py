"""Delivers the events of all runs to one receiver, each at least once, in the order of their run.

The audit trail is the queue, and the ledger keeps for each run and receiver how far it was told. So a process that is killed
goes on where it was, and what a slow receiver has not had yet takes no memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from fedface_control.webhooks.message import is_told, message_of
from fedface_control.webhooks.receiver import Receiver, RefusedMessageError
from fedface_core.domain.errors import FedFaceError, NotFoundError, UnavailableError
from fedface_core.ports import Clock, EventDeliveries, RecordedEvent
from fedface_core.runtime.metrics import WEBHOOKS, WebhookOutcome

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
EVENTS_PER_LOOK: Final = 100
"""Of one run, before the other runs have their turn."""
_LOOKS_PER_WHOLE_LOOK: Final = 600


@dataclass(frozen=True)
class Pace:
    """How long a message is tried: ``attempts``, with pauses that double from ``first_pause`` to ``longest_pause`` seconds.

    After them, and if the event is older than ``oldest``, the message is dropped: a receiver that was away for a week is
    told of the last day.
    """

    attempts: int = 12
    first_pause: float = 1.0
    longest_pause: float = 300.0
    oldest: timedelta = timedelta(days=1)

    def pause(self, failures: int) -> float:
        """The seconds after so many failures in a row."""
        return float(min(self.longest_pause, self.first_pause * 2 ** min(failures - 1, 30)))


@dataclass
class _Retry:
    failures: int
    due: float


class Delivery:
    """Tells ``receiver`` of what happens to runs. ``monotonic`` gives seconds that no setting of a clock changes."""

    def __init__(
        self,
        ledger: EventDeliveries,
        clock: Clock,
        receiver: Receiver,
        pace: Pace | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._receiver = receiver
        self._pace = pace or Pace()
        self._now = monotonic
        self._retries: dict[str, _Retry] = {}
        self._away = _Retry(0, 0.0)
        self._followed: set[str] = set()
        self._looks = 0

    def run(self, stopped: threading.Event) -> None:
        """Deliver until ``stopped`` is set. A ledger that is away, and whatever else fails, is tried again."""
        failing = False
        while not stopped.wait(LOOK_SECONDS):
            try:
                self.look()
                failing = False
            except UnavailableError as error:
                if not failing:
                    log.warning("webhooks_wait", reason=str(error))
                failing = True
            except Exception:
                log.exception("webhooks_failed")
                stopped.wait(self._pace.longest_pause)

    def look(self) -> None:
        """Look once for what is to be told, and tell it, as far as pauses allow."""
        if self._now() < self._away.due:
            return
        active = set(self._ledger.followed_runs(ended=self._looks % _LOOKS_PER_WHOLE_LOOK == 0))
        followed = active | self._followed | self._retries.keys()
        waiting = self._ledger.undelivered_runs(self._receiver.name, sorted(followed))
        self._looks += 1
        # A run leaves the index of active runs soon after its last event: it is looked at once more. One with more events
        # than a look takes, or with a receiver that is away, is looked at until all of them are told.
        self._followed = active | set(waiting)
        self._retries = {run_id: retry for run_id, retry in self._retries.items() if run_id in waiting}
        for run_id in waiting:
            retry = self._retries.get(run_id)
            if retry is not None and self._now() < retry.due:
                continue
            try:
                if not self._tell(run_id):
                    return
            except NotFoundError:  # the run was deleted meanwhile, and its audit trail with it
                self._retries.pop(run_id, None)

    def _tell(self, run_id: str) -> bool:
        """Tell of the next events of a run. Returns whether the receiver can be reached."""
        for event in self._ledger.undelivered_events(self._receiver.name, run_id, EVENTS_PER_LOOK):
            if is_told(event):
                try:
                    if not self._is_too_old(run_id, event):
                        self._receiver.send(message_of(run_id, event))
                        WEBHOOKS.labels(WebhookOutcome.DELIVERED).inc()
                except UnavailableError as error:
                    self._away = self._after(self._away)
                    if not self._give_up(run_id, event, error):
                        return False
                except RefusedMessageError as error:
                    if not self._give_up(run_id, event, error):
                        return True
                else:
                    self._away = _Retry(0, 0.0)
            self._retries.pop(run_id, None)
            self._ledger.mark_delivered(self._receiver.name, run_id, event.id)
        return True

    def _after(self, before: _Retry | None) -> _Retry:
        failures = before.failures + 1 if before else 1
        return _Retry(failures, self._now() + self._pace.pause(failures))

    def _is_too_old(self, run_id: str, event: RecordedEvent) -> bool:
        too_old = self._clock.now() - event.at > self._pace.oldest
        if too_old:
            self._drop(run_id, event, "the event is too old")
        return too_old

    def _give_up(self, run_id: str, event: RecordedEvent, error: FedFaceError) -> bool:
        """Count a failed attempt. Returns whether the message is dropped."""
        WEBHOOKS.labels(WebhookOutcome.FAILED).inc()
        retry = self._after(self._retries.get(run_id))
        if retry.failures >= self._pace.attempts or getattr(error, "gone", False):
            self._drop(run_id, event, str(error))
            return True
        self._retries[run_id] = retry
        log.warning("webhook_failed", run_id=run_id, event_id=event.id, reason=str(error), failures=retry.failures)
        return False

    def _drop(self, run_id: str, event: RecordedEvent, reason: str) -> None:
        WEBHOOKS.labels(WebhookOutcome.DROPPED).inc()
        log.error("webhook_dropped", run_id=run_id, event_id=event.id, event_name=event.name, reason=reason)
