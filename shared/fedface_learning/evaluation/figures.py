"""What a protocol reports: its figures, each with its spread and its confidence interval where it has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fedface_core.domain.results import far_label
from fedface_learning.evaluation.bootstrap import Multiplicities, interval, resample_accepted
from fedface_learning.evaluation.trials import Trials


@dataclass(frozen=True)
class Figure:
    """One figure, a share from 0 to 1.

    ``value`` is None where the impostors (or non-mated probes) are too few to resolve the rate. ``spread`` is over folds,
    splits or galleries, in the unit that the result names. ``interval`` is the 95 % interval over identities.
    """

    value: float | None
    spread: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class ProtocolResult:
    """One model on one protocol. ``notes`` are sentences that a reader of the figures needs."""

    protocol: str
    figures: Mapping[str, Figure]
    counts: Mapping[str, int]
    spread_is: str | None = None
    notes: Sequence[str] = field(default_factory=tuple)


def mean_figure(values: Sequence[float | None], resampled: Sequence[npt.NDArray[np.float64]] | None) -> Figure:
    """The mean over splits or galleries, with their standard deviation (n − 1 in the denominator).

    Unresolved where one of them is: a mean over those that happen to resolve would be of another protocol. ``resampled`` has
    each part's bootstrap values (R,), drawn with the same people in all parts; the interval is that of their mean.
    """
    resolved = [value for value in values if value is not None]
    if len(resolved) < len(values):
        return Figure(None)
    spread = float(np.std(resolved, ddof=1)) if len(resolved) > 1 else None
    within = None if resampled is None else interval(np.mean(resampled, axis=0))
    return Figure(float(np.mean(resolved)), spread, within)


def rate_figures(
    kind: str, parts: Sequence[Trials], rates: Sequence[float], multiplicities: Multiplicities | None
) -> dict[str, Figure]:
    """`Trials.accepted_at` each rate, by names such as ``TAR at FAR 1e-3``: the mean over ``parts``, with its interval.

    No interval where there are no ``multiplicities``, or a part does not name its people.
    """
    resampled = None
    if multiplicities is not None and all(part.names_people for part in parts):
        resampled = [resample_accepted(part, rates, multiplicities) for part in parts]
    return {
        f"{kind} {far_label(rate)}": mean_figure(
            [part.accepted_at(rate) for part in parts],
            None if resampled is None else [accepted_RF[:, place] for accepted_RF in resampled],
        )
        for place, rate in enumerate(rates)
    }
