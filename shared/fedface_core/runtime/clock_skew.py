"""How far this machine's clock is off the ledger's: a gauge, and a line in the log if that is more than a second.

No deadline depends on it, since all processes take the time from the ledger (ADR 24). But S3 servers refuse requests that
are dated wrongly, and times in logs mislead.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from fedface_core.domain.errors import UnavailableError
from fedface_core.ports import Clock

log = structlog.get_logger(__name__)

_TOLERATED_SECONDS: Final = 1.0


class ClockSkew(Collector):
    """Collects the gauge ``fedface_clock_skew_seconds``: this machine's time minus that of ``clock``, the ledger's.

    The clocks are compared when the service starts and at each scrape.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reported: float | None = None

    def compare(self) -> float | None:
        """The seconds by which this machine's clock is ahead of the ledger's. None if the ledger does not answer.

        A skew above a second is logged when it begins, when it changes by more than a second, and when it ends.
        """
        asked_at = time.monotonic()
        try:
            ledgers_time = self._clock.now().timestamp()
        except UnavailableError:  # other metrics say so
            return None
        took = time.monotonic() - asked_at
        # The ledger has read its clock at some moment of the request. The middle is wrong by half of it at most.
        skew = time.time() - took / 2 - ledgers_time
        self._report(skew, uncertainty=took / 2)
        return skew

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauge as of now; nothing while the ledger does not answer."""
        skew = self.compare()
        if skew is not None:
            gauge = GaugeMetricFamily("fedface_clock_skew_seconds", "This machine's time minus the ledger's.")
            gauge.add_metric([], skew)
            yield gauge

    def describe(self) -> list[GaugeMetricFamily]:
        """No gauges, so that registration does not ask the ledger."""
        return []

    def _report(self, skew: float, uncertainty: float) -> None:
        if abs(skew) - uncertainty <= _TOLERATED_SECONDS:
            if self._reported is not None:
                log.info("clock_right_again", skew_seconds=round(skew, 3))
            self._reported = None
        elif self._reported is None or abs(skew - self._reported) - uncertainty > _TOLERATED_SECONDS:
            self._reported = skew
            log.warning(
                "clock_skewed",
                skew_seconds=round(skew, 3),
                remedy="the clocks of this machine and of the Redis server differ: have NTP set both",
            )
