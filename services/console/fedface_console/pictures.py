"""Small pictures, as the numbers of an SVG: sparklines, and the bars of rounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fedface_core.contracts.http import RoundView
from fedface_core.domain.round import RoundPhase

WIDTH: Final = 120
HEIGHT: Final = 28
_EDGE: Final = 3
_MOST_POINTS: Final = 120
BAR_WIDTH: Final = 1000


@dataclass(frozen=True)
class Sparkline:
    """A line over the rounds: the points of its polyline, its last point, and what it says in words."""

    points: str
    last_x: float
    last_y: float
    text: str


@dataclass(frozen=True)
class Bar:
    """A part of a round's bar: where it begins and how long it is, of `BAR_WIDTH`, and what the round did in it."""

    x: float
    width: float
    what: str


def sparkline(values: Sequence[float | None], name: str) -> Sparkline | None:
    """The sparkline of these values, one for each round; None if there are none. Missing values are left out."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if not known:
        return None
    step = max(1, -(-len(known) // _MOST_POINTS))
    shown = [*known[:-1:step], known[-1]]
    low = min(value for _, value in known)
    high = max(value for _, value in known)
    scale = (HEIGHT - 2 * _EDGE) / (high - low) if high > low else 0.0
    stretch = (WIDTH - 2 * _EDGE) / max(1, len(values) - 1)
    places = [(_EDGE + place * stretch, HEIGHT - _EDGE - (value - low) * scale) for place, value in shown]
    if scale == 0.0:
        places = [(x, HEIGHT / 2) for x, _ in places]
    text = f"{name}: {100 * known[0][1]:.2f} % at first, {100 * known[-1][1]:.2f} % now"
    return Sparkline(" ".join(f"{x:.1f},{y:.1f}" for x, y in places), round(places[-1][0], 1), round(places[-1][1], 1), text)


def round_bars(rounds: Iterable[RoundView], now: datetime) -> dict[int, list[Bar]]:
    """The bars of these rounds on one axis of time: taking updates, then aggregating and evaluating."""
    listed = list(rounds)
    if not listed:
        return {}
    start = min(view.opened_at for view in listed)
    end = max(view.finished_at or now for view in listed)
    seconds = max((end - start).total_seconds(), 0.001)

    def bar(first: datetime, last: datetime, what: str) -> Bar:
        x = BAR_WIDTH * max(0.0, (first - start).total_seconds()) / seconds
        width = BAR_WIDTH * max(0.0, (last - first).total_seconds()) / seconds
        return Bar(round(min(x, BAR_WIDTH - 2), 1), round(max(width, 2.0), 1), what)

    bars = {}
    for view in listed:
        last = view.finished_at or now
        if view.phase is RoundPhase.ABANDONED:
            bars[view.number] = [bar(view.opened_at, last, "abandoned")]
            continue
        closed = view.closed_at or last
        bars[view.number] = [bar(view.opened_at, closed, "open")]
        if view.closed_at is not None:
            bars[view.number].append(bar(closed, last, "computing"))
    return bars
