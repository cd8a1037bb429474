"""Residuals: what a client keeps of an update for its next one, and of which update that is (ADR 10, ADR 39).

With error feedback it is what the encoding left out of its change; a strategy that has only sums of class embeddings lets a
client keep its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from fedface_core.domain.round import RoundState
from fedface_core.domain.round_kind import RoundKind


def residuals_after(base: RoundState, accepted: Iterable[str], *, of_enrolment: bool = False) -> dict[str, int]:
    """The round whose residual each client uses next, by client, in a cohort that starts from the results of round ``base``.

    ``accepted`` are the clients whose updates round ``base`` accepted. A client uses the residual of its newest update that
    is in the model. An update that was refused when folded, or whose round was abandoned, is not in the model.
    ``of_enrolment`` says whether enrolments leave residuals too.
    """
    if base.kind is RoundKind.ENROLMENT and not of_enrolment:
        return {}
    assert base.aggregation is not None, "a cohort starts only from a round that was aggregated"
    averaged = sorted(set(accepted) - base.aggregation.refused.keys())
    return base.residuals | dict.fromkeys(averaged, base.number)
