"""Error feedback: which residual a client adds to its next change (ADR 10)."""

from __future__ import annotations

from collections.abc import Iterable

from fedface_core.domain.round import RoundState
from fedface_core.domain.round_kind import RoundKind


def residuals_after(base: RoundState, accepted: Iterable[str]) -> dict[str, int]:
    """The round whose residual each client uses next, by client, in a cohort that starts from the results of round ``base``.

    ``accepted`` are the clients whose updates round ``base`` accepted. A client uses the residual of its newest update that
    is in the model. An update that was refused when folded, or whose round was abandoned, is not in the model.
    """
    if base.kind is RoundKind.ENROLMENT:
        return {}
    assert base.aggregation is not None, "a cohort starts only from a round that was aggregated"
    averaged = sorted(set(accepted) - base.aggregation.refused.keys())
    return base.residuals | dict.fromkeys(averaged, base.number)
