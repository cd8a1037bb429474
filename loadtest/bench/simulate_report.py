"""What `fedface bench simulate` gives."""

from __future__ import annotations

from typing import Literal

from pydantic import computed_field

from loadtest.bare import BARE_LOOP
from loadtest.bench.repetitions import Repeated, ratios
from loadtest.bench.report import Report


class SimulateReport(Report):
    """Rounds of the whole system beside those of the bare loop in as many processes."""

    clients: int
    processes: int
    artifacts: Literal["directory", "s3"]
    round_seconds: dict[str, Repeated]
    """What was measured → a round. FedFace's last from their opening to the end of their evaluation."""
    step_ms: dict[str, float]
    """Step of a client → its mean duration in milliseconds."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def share_of_the_loop(self) -> dict[str, Repeated]:
        """What was measured → its clients a second by those of the first bare loop, repetition by repetition."""
        loop = self.round_seconds[BARE_LOOP].values
        return {name: ratios(loop, seconds.values) for name, seconds in self.round_seconds.items()}
