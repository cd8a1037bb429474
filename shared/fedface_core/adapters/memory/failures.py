"""Counts of failures in memory."""

from __future__ import annotations

from datetime import datetime

from fedface_core.domain.failures import MOST_FAILING_CLIENTS, StepFailure, is_client_step
from fedface_core.domain.reasons import LONGEST_STORED_REASON, identity


def counted(failures: dict[str, StepFailure], step: str, reason: str, now: datetime) -> StepFailure:
    """The failures of a step with one more, which is kept in ``failures`` (step → its failures) if there is room."""
    reason = reason[:LONGEST_STORED_REASON]
    before = failures.get(step)
    repeats = before is not None and identity(before.reason) == identity(reason)
    failure = StepFailure(
        step=step,
        reason=reason,
        in_a_row=before.in_a_row + 1 if before and repeats else 1,
        total=before.total + 1 if before else 1,
        since=before.since if before and repeats else now,
        at=now,
    )
    if before is not None or not is_client_step(step) or len(failures) < MOST_FAILING_CLIENTS:
        failures[step] = failure
    return failure
