"""Error feedback: which of its residuals a client goes on from. ADR 10 says why it is this one."""

from __future__ import annotations

from collections.abc import Iterable

from fedface_core.domain.round import RoundState
from fedface_core.domain.round_kind import RoundKind


def residuals_after(base: RoundState, accepted: Iterable[str]) -> dict[str, int]:
    """Client → the round whose residual it goes on from, in a cohort that starts from what ``base`` came to.

    ``accepted`` are the clients whose updates that round accepted. It is the round of the newest update of each client that
    is in the model: one that was refused when folded, or whose round was abandoned, has moved nothing, so nothing is owed.
    """
    if base.kind is RoundKind.ENROLMENT:
        return {}
    assert base.aggregation is not None, "only a round that came to something is started from"
    counted = sorted(set(accepted) - base.aggregation.refused.keys())
    return base.residuals | dict.fromkeys(counted, base.number)
