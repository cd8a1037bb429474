"""What `fedface bench simulate` gives."""

from __future__ import annotations

from typing import Literal

from pydantic import computed_field

from fedface_cli.bench.repetitions import Repeated, ratios
from fedface_cli.bench.report import Report


class SimulateReport(Report):
    """Rounds of the whole system beside those of the bare loop in as many processes."""

    clients: int
    processes: int
    artifacts: Literal["directory", "s3"]
    loop_seconds: Repeated
    """A round of the bare loop."""
    system_seconds: Repeated
    """A training round of the system, from its opening to the end of its evaluation."""
    step_ms: dict[str, float]
    """Step of a client → its mean duration in milliseconds."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def share_of_the_loop(self) -> Repeated:
        """The system's clients a second by the loop's, repetition by repetition."""
        return ratios(self.loop_seconds.values, self.system_seconds.values)
