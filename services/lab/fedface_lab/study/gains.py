"""What an arm gains over the seeds: paired by seed, with its uncertainty. Arithmetic only.

A gain is *after − before* on one seed, so that what makes one seed's test harder than another's cancels out.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds; ``error`` is its standard error, none for a single seed."""

    mean: float
    error: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """From at least one value."""
        error = float(stats.sem(values)) if len(values) > 1 else None
        return cls(statistics.fmean(values), error)


@dataclass(frozen=True)
class Gain:
    """Before, after and their difference over the seeds in which both are resolved."""

    before: Estimate
    after: Estimate
    gain: Estimate
    interval: tuple[float, float] | None
    """Student's t-interval of the mean gain, at `CONFIDENCE`; none for a single seed."""
    better: int
    """In how many seeds the metric is better after than before."""
    seeds: int


def paired_gain(before: Sequence[float], after: Sequence[float], *, lower_is_better: bool = False) -> Gain | None:
    """The gain of one metric, one value a seed in the same order; none where there is no seed."""
    if not before:
        return None
    differences = [late - early for early, late in zip(before, after, strict=True)]
    gain = Estimate.of(differences)
    return Gain(
        before=Estimate.of(before),
        after=Estimate.of(after),
        gain=gain,
        interval=_interval(gain, len(differences)),
        better=sum(difference < 0 if lower_is_better else difference > 0 for difference in differences),
        seeds=len(differences),
    )


def _interval(gain: Estimate, seeds: int) -> tuple[float, float] | None:
    if gain.error is None:
        return None
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1)) * gain.error
    return gain.mean - half, gain.mean + half


def recovered_share(
    before: Sequence[float], after: Sequence[float], upper: Sequence[float], *, lower_is_better: bool = False
) -> float | None:
    """(after − before) / (upper − before), of the means over the same seeds.

    None without seeds, or where the upper bound is no better than before: then there is no gap to recover.
    """
    if not before:
        return None
    start, end, bound = (statistics.fmean(values) for values in (before, after, upper))
    gap = bound - start
    return (end - start) / gap if (gap < 0 if lower_is_better else gap > 0) else None
