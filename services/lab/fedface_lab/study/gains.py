"""Statistics of an arm's gain over the seeds, paired by seed, with standard errors and confidence intervals.

A gain is *after − before* on one seed. So a seed whose test is harder than that of other seeds does not widen the interval.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and its standard error; None if there is a single seed."""

    mean: float
    error: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """The mean and standard error of ``values``, of which there is at least one."""
        error = float(stats.sem(values)) if len(values) > 1 else None
        return cls(statistics.fmean(values), error)


@dataclass(frozen=True)
class Gain:
    """A metric before and after, and the difference, over the seeds that resolve both."""

    before: Estimate
    after: Estimate
    gain: Estimate
    interval: tuple[float, float] | None
    """Student's t-interval of the mean gain at the level `CONFIDENCE`; None if there is a single seed."""
    better: int
    """The number of seeds whose metric is better after than before."""
    seeds: int


def paired_gain(before: Sequence[float], after: Sequence[float], *, lower_is_better: bool = False) -> Gain | None:
    """The gain of a metric from its values by seed; both sequences have the seeds in one order. None if there is no seed."""
    if not before:
        return None
    differences = [after_seed - before_seed for before_seed, after_seed in zip(before, after, strict=True)]
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
    """The share of the gap to an upper bound that is closed: (after − before) / (upper − before), of the means over seeds.

    The three sequences have the seeds in one order. None if there is no seed, or if the bound is no better than before.
    """
    if not before:
        return None
    start = statistics.fmean(before)
    gap = statistics.fmean(upper) - start
    return (statistics.fmean(after) - start) / gap if (gap < 0 if lower_is_better else gap > 0) else None
