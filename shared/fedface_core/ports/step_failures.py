"""The port to what the ledger counts of failing steps."""

from __future__ import annotations

from typing import Protocol

from fedface_core.domain.failures import StepFailure


class StepFailures(Protocol):
    """How often the steps of a run have failed, and why (`fedface_core.domain.failures`)."""

    def record_failure(self, run_id: str, number: int | None, step: str, reason: str) -> StepFailure:
        """Count a failure of a step, in one atomic step, and return how often the step has failed.

        The step belongs to round ``number``, or to the run itself if that is None. The count of failures in a row begins
        again at 1 if the reason is of another kind (`fedface_core.domain.reasons.identity`). Of a reason that is longer
        than `LONGEST_STORED_REASON` only the beginning counts. The failures of `MOST_FAILING_CLIENTS` clients are kept; that
        of a further client is returned, but not kept. `NotFoundError` if there is no such run, or the round was never
        opened.
        """

    def forget_failures(self, run_id: str, number: int | None, step: str) -> None:
        """Forget the failures of a step, since it has succeeded. It is no error if there are none, or no such run."""
