"""The report of `fedface bench simulate`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, computed_field

from loadtest.bare import BARE_LOOP
from loadtest.bench.repetitions import Repeated, ratios
from loadtest.bench.report import BenchmarkReport


class StackSpeedReport(BenchmarkReport):
    """The seconds of a round on a local stack and on the bare loop, with one number of processes."""

    clients: int
    processes: int
    artifacts: Literal["directory", "s3"]
    round_seconds: dict[str, Repeated]
    """System → the seconds of a round. FedFace's rounds last from their opening to the end of their evaluation."""
    step_ms: dict[str, float]
    """Step of a client → its mean duration in milliseconds."""
    cpu_ms: dict[str, dict[str, Repeated]] = Field(default_factory=dict)
    """System → role → milliseconds of processor time for a client, in the measured rounds; empty if nobody asked for it."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def share_of_the_loop(self) -> dict[str, Repeated]:
        """System → its clients a second divided by those of the bare loop (default layout), repetition by repetition."""
        loop = self.round_seconds[BARE_LOOP].values
        return {name: ratios(loop, seconds.values) for name, seconds in self.round_seconds.items()}
