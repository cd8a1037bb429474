"""The figures that a protocol reports, with spread and confidence interval. R resamples, F rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fedface_core.domain.results import CosineCounts, far_label
from fedface_learning.evaluation.bootstrap import Multiplicities, interval, resample_accepted
from fedface_learning.evaluation.trials import Trials


@dataclass(frozen=True)
class Figure:
    """One figure, a share from 0 to 1."""

    value: float | None
    """None if impostor pairs (or non-mated probes) are too few for the rate."""
    spread: float | None = None
    """The spread over folds, splits or galleries, of the kind that `ProtocolResult.spread_is` names."""
    interval: tuple[float, float] | None = None
    """The 95 % interval over identities."""


@dataclass(frozen=True)
class ProtocolResult:
    """The result of one model on one protocol."""

    protocol: str
    figures: Mapping[str, Figure]
    """Figures by name, such as ``TAR at FAR 1e-3``."""
    counts: Mapping[str, int]
    """Numbers of images, pairs, probes and templates, by name."""
    spread_is: str | None = None
    """The kind of the figures' spread, such as ``standard error over folds``."""
    notes: Sequence[str] = field(default_factory=tuple)
    """Sentences that a reader of the figures needs."""
    cosines: CosineCounts | None = None
    """The histograms of the cosines of all 1:1 pairs; None if the protocol has no such pairs."""


def mean_figure(values: Sequence[float | None], resampled: Sequence[npt.NDArray[np.float64]] | None) -> Figure:
    """The mean over splits or galleries, with their standard deviation (n − 1 in the denominator).

    If one of ``values`` is None, the figure has no value: a mean over the others would be of another protocol. ``resampled``
    has the bootstrap values (R,) of each part, from the same people in all parts; the interval is that of their mean.
    """
    resolved = [value for value in values if value is not None]
    if len(resolved) < len(values):
        return Figure(None)
    spread = float(np.std(resolved, ddof=1)) if len(resolved) > 1 else None
    mean_interval = None if resampled is None else interval(np.mean(resampled, axis=0))
    return Figure(float(np.mean(resolved)), spread, mean_interval)


def rate_figures(
    kind: str, parts: Sequence[Trials], rates: Sequence[float], multiplicities: Multiplicities | None
) -> dict[str, Figure]:
    """`Trials.accepted_at` each rate, as the mean over ``parts`` with its interval.

    The figures' names are ``kind`` and the rate, such as ``TAR at FAR 1e-3``. There is no interval if ``multiplicities`` is
    None or if a part does not name its people.
    """
    resampled = None
    if multiplicities is not None and all(part.names_people for part in parts):
        resampled = [resample_accepted(part, rates, multiplicities) for part in parts]
    return {
        f"{kind} {far_label(rate)}": mean_figure(
            [part.accepted_at(rate) for part in parts],
            None if resampled is None else [accepted_RF[:, index] for accepted_RF in resampled],
        )
        for index, rate in enumerate(rates)
    }
