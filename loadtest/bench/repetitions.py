"""Repeated measurements: median and spread, and ratios taken within a repetition.

Shared machines are noisy, and the noise comes in waves. So what is compared is measured by turns, and compared with its
neighbour in time: the ratio of each repetition, then the median of the ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from pydantic import BaseModel, ConfigDict


class Repeated(BaseModel):
    """One figure, measured several times."""

    model_config = ConfigDict(frozen=True)

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest."""
        return min(self.values), max(self.values)

    def __str__(self) -> str:
        """Median and spread, with three digits."""
        low, high = self.spread
        return f"{self.median:.3g} [{low:.3g}, {high:.3g}]"


def by_turns(measures: Mapping[str, Callable[[], float]], repetitions: int) -> dict[str, Repeated]:
    """Call each measure in turn, and all of them again, ``repetitions`` times; each returns its figure."""
    values: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(repetitions):
        for name, measure in measures.items():
            values[name].append(measure())
    return {name: Repeated(values=tuple(taken)) for name, taken in values.items()}


def ratios(figures: Sequence[float], references: Sequence[float]) -> Repeated:
    """Figure by reference, repetition by repetition."""
    return Repeated(values=tuple(figure / reference for figure, reference in zip(figures, references, strict=True)))
