"""The histograms of a round's cosines as densities, for the browser to draw, and from which cosine a pair is accepted."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from fedface_core.domain.results import CosineCounts, VerificationReport

_MERGED: Final = ((250, 5), (2500, 2))
"""Fewer pairs than the first number: as many bins as the second one are drawn as one."""


class Threshold(BaseModel):
    """From which cosine on a pair is accepted at a false accept rate."""

    far: str
    cosine: float


class Histograms(BaseModel):
    """Two step functions over the cosines from −1 to 1, each with an area of one, and the thresholds on the same axis.

    ``genuine[i]`` and ``impostor[i]`` are the densities from ``cosines[i]`` to the next one. These lists are empty if the
    report has no histograms, as those of earlier versions have none.
    """

    cosines: list[float]
    genuine: list[float]
    impostor: list[float]
    thresholds: list[Threshold]


def histograms_of(report: VerificationReport) -> Histograms:
    """The histograms that the browser draws of a report."""
    thresholds = [Threshold(far=far, cosine=cosine) for far, cosine in accepted_from(report)]
    if report.cosines is None:
        return Histograms(cosines=[], genuine=[], impostor=[], thresholds=thresholds)
    width = _bins_in_one(report.cosines)
    genuine = _merged(report.cosines.genuine, width)
    impostor = _merged(report.cosines.impostor, width)
    return Histograms(
        cosines=[2 * number / len(genuine) - 1 for number in range(len(genuine))],
        genuine=_density(genuine),
        impostor=_density(impostor),
        thresholds=thresholds,
    )


def accepted_from(report: VerificationReport) -> list[tuple[str, float]]:
    """Each false accept rate that has a threshold, with its threshold; the rates in the order of the report."""
    return [(far, cosine) for far, cosine in (report.thresholds or {}).items() if cosine is not None]


def _bins_in_one(counts: CosineCounts) -> int:
    """How many bins are drawn as one: with few pairs, narrow bins would show chance. It follows from the pairs alone, so all
    rounds of a run are drawn alike.
    """
    pairs = min(sum(counts.genuine), sum(counts.impostor))
    return next((width for most, width in _MERGED if pairs < most and len(counts.genuine) % width == 0), 1)


def _merged(counts: list[int], width: int) -> list[int]:
    return [sum(counts[first : first + width]) for first in range(0, len(counts), width)]


def _density(counts: list[int]) -> list[float]:
    area = max(sum(counts), 1) * 2 / len(counts)
    return [count / area for count in counts]
