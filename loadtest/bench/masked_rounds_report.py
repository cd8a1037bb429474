"""The report of `fedface bench masked-rounds`."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import computed_field

from loadtest.bench.repetitions import Repeated, ratios
from loadtest.bench.report import BenchmarkReport

PLAIN: Final = "plain"
"""The name of the rounds without masks."""


class MaskedRoundsReport(BenchmarkReport):
    """Rounds with and without masks on a local stack, by name: `PLAIN`, or in which shards they are masked."""

    clients: int
    rounds: int
    """Training rounds of a run, after enrolment."""
    steps: int
    """Local steps of a client."""
    processes: int
    """Client workers."""
    artifacts: Literal["directory", "s3"]
    round_seconds: dict[str, Repeated]
    kilobytes: dict[str, float]
    """What a client puts and reads in a whole run, without models."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def times_plain(self) -> dict[str, Repeated]:
        """The seconds of a round divided by those of a plain one, repetition by repetition."""
        plain = self.round_seconds[PLAIN].values
        return {name: ratios(seconds.values, plain) for name, seconds in self.round_seconds.items()}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def bytes_of_plain(self) -> dict[str, float]:
        """The bytes of a client divided by those of a plain one."""
        return {name: kilobytes / self.kilobytes[PLAIN] for name, kilobytes in self.kilobytes.items()}
