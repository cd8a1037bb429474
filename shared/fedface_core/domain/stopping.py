"""When a run is complete: after its last round, or earlier by a stop condition of its plan."""

from __future__ import annotations

from collections.abc import Sequence

from fedface_core.domain.plan.stopping import StopPlan
from fedface_core.domain.results import Scores, far_label


def reason_to_stop(
    plan: StopPlan, finished: int, planned: int, scored: Sequence[Scores], active_seconds: float
) -> str | None:
    """Why the run ends now, in words for its operator; None if it goes on.

    ``finished`` of ``planned`` training rounds are finished. ``scored`` holds the scores so far, in the order of their
    rounds, enrolment first. ``active_seconds`` is the time since the start of the run without its pauses.
    """
    if finished >= planned:
        return f"{finished} of {planned} rounds are finished"
    if plan.wall_clock_seconds is not None and active_seconds >= plan.wall_clock_seconds:
        return f"{active_seconds:.0f} s have passed; the limit is {plan.wall_clock_seconds:.0f} s"
    return _reason_of_tar(plan, far_label(plan.far), scored) if plan.far is not None else None


def _reason_of_tar(plan: StopPlan, far: str, scored: Sequence[Scores]) -> str | None:
    """Which condition on the TAR at ``far`` is met, if any. Rounds without a TAR at ``far`` are left out."""
    rates = [rate for scores in scored if (rate := scores.tar.get(far)) is not None]
    if plan.target_tar is not None and rates and rates[-1] >= plan.target_tar:
        return f"TAR at FAR {far} is {rates[-1]:.4f}, which reaches the target {plan.target_tar:.4f}"
    if plan.patience is not None and len(rates) > plan.patience:
        best = max(rates[: -plan.patience])
        if max(rates[-plan.patience :]) <= best + plan.least_gain:
            return f"TAR at FAR {far} was {best:.4f}, and the last {plan.patience} evaluated have not raised it"
    return None
