"""The curves of a run by round, and those of several runs, one over the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel

from fedface_core.contracts.http import RoundView
from fedface_core.domain.results import Aggregation, Scores

Unit = Literal["share", "number", "bytes"]


class Line(BaseModel):
    """One line of a chart: a value for each of the chart's rounds, or None."""

    label: str
    values: list[float | None]


class Chart(BaseModel):
    """One chart: its lines, and what its axis counts."""

    id: str
    title: str
    unit: Unit
    lines: list[Line]


class Curves(BaseModel):
    """The charts of a page, over the numbers of the rounds."""

    rounds: list[int]
    charts: list[Chart]


@dataclass(frozen=True)
class _Figure:
    chart: str
    title: str
    unit: Unit
    label: str
    of: Callable[[RoundView], float | None]


def _score(read: Callable[[Scores], float | None]) -> Callable[[RoundView], float | None]:
    return lambda view: read(view.scores) if view.scores else None


def _aggregated(read: Callable[[Aggregation], float | None]) -> Callable[[RoundView], float | None]:
    return lambda view: read(view.aggregation) if view.aggregation else None


def _tar(far: str) -> _Figure:
    return _Figure("tar", "TAR at FAR", "share", f"TAR@{far}", _score(lambda scores: scores.tar.get(far)))


_FIGURES: Final = (
    _Figure("auc", "AUC", "number", "AUC", _score(lambda scores: scores.auc)),
    _Figure("eer", "Equal error rate", "share", "EER", _score(lambda scores: scores.eer)),
    _Figure("cosines", "Mean cosines", "number", "genuine pairs", _score(lambda scores: scores.mean_genuine_cosine)),
    _Figure("cosines", "Mean cosines", "number", "impostor pairs", _score(lambda scores: scores.mean_impostor_cosine)),
    _Figure("losses", "Clients' losses", "number", "before training", _aggregated(lambda made: made.loss_before)),
    _Figure("losses", "Clients' losses", "number", "after training", _aggregated(lambda made: made.loss_after)),
    _Figure("spreadout", "Spreadout loss", "number", "spreadout loss", _aggregated(lambda made: made.spreadout_loss)),
    _Figure(
        "embeddings",
        "Cosines of class embeddings",
        "number",
        "mean",
        _aggregated(lambda made: made.mean_off_diagonal_cosine),
    ),
    _Figure(
        "embeddings",
        "Cosines of class embeddings",
        "number",
        "largest",
        _aggregated(lambda made: made.max_off_diagonal_cosine),
    ),
    _Figure("norm", "Update norm", "number", "‖new − old‖", _aggregated(lambda made: made.update_norm)),
    _Figure("bytes", "Uploaded bytes", "bytes", "folded updates", _aggregated(lambda made: made.uploaded_bytes)),
    _Figure("clients", "Clients", "number", "invited", lambda view: view.invited),
    _Figure("clients", "Clients", "number", "accepted", lambda view: view.accepted),
    _Figure("clients", "Clients", "number", "failed", lambda view: len(view.failed)),
)


def curves_of(rounds: Sequence[RoundView]) -> Curves:
    """The charts of one run."""
    figures = [*map(_tar, _rates(rounds)), *_FIGURES]
    charts: dict[str, Chart] = {}
    for one in figures:
        values = [one.of(view) for view in rounds]
        if all(value is None for value in values):
            continue
        chart = charts.setdefault(one.chart, Chart(id=one.chart, title=one.title, unit=one.unit, lines=[]))
        chart.lines.append(Line(label=one.label, values=values))
    return Curves(rounds=[view.number for view in rounds], charts=list(charts.values()))


def overlaid(runs: Mapping[str, Sequence[RoundView]]) -> Curves:
    """A chart for each figure, with a line for each run; the lines are named as the runs are."""
    numbers = sorted({view.number for rounds in runs.values() for view in rounds})
    rates = list(dict.fromkeys(far for rounds in runs.values() for far in _rates(rounds)))
    charts: list[Chart] = []
    for one in [*map(_tar, rates), *_FIGURES]:
        lines = []
        for name, rounds in runs.items():
            known = {view.number: one.of(view) for view in rounds}
            lines.append(Line(label=name, values=[known.get(number) for number in numbers]))
        if all(value is None for line in lines for value in line.values):
            continue
        title = one.label if one.chart == "tar" else one.title if one.title == one.label else f"{one.title}: {one.label}"
        charts.append(Chart(id=f"{one.chart}-{len(charts)}", title=title, unit=one.unit, lines=lines))
    return Curves(rounds=numbers, charts=charts)


def _rates(rounds: Sequence[RoundView]) -> list[str]:
    """The false accept rates for which a round has a TAR, the largest first."""
    named = {far for view in rounds if view.scores for far, tar in view.scores.tar.items() if tar is not None}
    return sorted(named, key=float, reverse=True)
