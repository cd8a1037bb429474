"""Repeated measurements: median and spread, and ratios of figures that were measured one after the other.

Shared machines are noisy, and the noise comes in waves. So systems are measured in turns, and each figure is compared with
its neighbour in time: a ratio of each repetition first, then the median of the ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from pydantic import BaseModel, ConfigDict


class Repeated(BaseModel):
    """A figure that was measured several times; ``values`` has one value for each repetition, in order."""

    model_config = ConfigDict(frozen=True)

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the values."""
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        return min(self.values), max(self.values)

    def __str__(self) -> str:
        """Median and spread, with three digits."""
        low, high = self.spread
        return f"{self.median:.3g} [{low:.3g}, {high:.3g}]"


def measure_in_turns(measures: Mapping[str, Callable[[], float]], repetitions: int) -> dict[str, Repeated]:
    """Call every measure once, one after the other, ``repetitions`` times. Each call returns a figure."""
    values: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(repetitions):
        for name, measure in measures.items():
            values[name].append(measure())
    return {name: Repeated(values=tuple(figures)) for name, figures in values.items()}


def ratios(figures: Sequence[float], references: Sequence[float]) -> Repeated:
    """Each figure divided by the reference of its repetition. `ValueError` if there are not as many of both."""
    return Repeated(values=tuple(figure / reference for figure, reference in zip(figures, references, strict=True)))
