"""Draws a dashboard as Grafana lays it out, from what a Prometheus answers now. It draws the kinds of panels we have."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fedface_core.domain.errors import InvalidInputError
from loadtest.dashboards.dashboard_files import Dashboard, Panel, Query, filled_in
from loadtest.dashboards.prometheus_data import Prometheus, Series

_COLUMN_INCHES: Final = 0.75
_LINE_INCHES: Final = 0.42
_MOST_IN_LEGEND: Final = 14
_NO_DATA: Final = "no data"


@dataclass(frozen=True)
class Window:
    """The time that is drawn, in seconds since 1970, and the values of the dashboard's variables."""

    start: float
    end: float
    variables: Mapping[str, str]


def draw(dashboard: Dashboard, prometheus: Prometheus, window: Window, file: Path) -> list[str]:
    """Write a picture of the dashboard (PNG). Returns the titles of the panels that have no data."""
    lines = max(y + h for _, y, _, h in (panel.place for panel in dashboard.panels))
    figure = Figure(figsize=(24 * _COLUMN_INCHES, lines * _LINE_INCHES), dpi=80)
    FigureCanvasAgg(figure)
    empty = []
    for panel in dashboard.panels:
        axes = figure.add_axes(_rectangle(panel, lines))
        if panel.kind != "row":
            axes.set_title(panel.title, fontsize=9, loc="left", fontweight="bold")
        if panel.kind in ("row", "text"):
            _HOW[panel.kind](axes, panel, [], window)
            continue
        found = [(query, one) for query in panel.queries for one in _answer(prometheus, query, window)]
        if not found:
            empty.append(panel.title)
        if panel.kind not in _HOW:
            raise InvalidInputError(f"{panel.title}: no panel of the kind {panel.kind} can be drawn")
        _HOW[panel.kind](axes, panel, found, window)
    figure.savefig(file)
    return empty


def _rectangle(panel: Panel, lines: int) -> tuple[float, float, float, float]:
    x, y, width, height = panel.place
    left = {"timeseries": 0.55, "bargauge": 1.2}.get(panel.kind, 0.1)
    above = 0.2 if panel.kind == "row" else 0.7
    below = 1.0 if panel.kind in ("timeseries", "bargauge") else 0.1
    bottom = lines - y - height + below
    return ((x + left) / 24, bottom / lines, (width - left - 0.2) / 24, max(0.3, height - above - below) / lines)


def _answer(prometheus: Prometheus, query: Query, window: Window) -> list[Series]:
    expression = filled_in(query.expression, window.variables)
    found = prometheus.now(expression) if query.instant else prometheus.over(expression, window.start, window.end)
    return [series for series in found if not all(math.isnan(value) for value in series.values)]


def _name(query: Query, series: Series) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: series.labels.get(found[1], ""), query.legend).strip() or query.ref


def _text(axes: Axes, panel: Panel, _found: Sequence[tuple[Query, Series]], window: Window) -> None:
    content = filled_in(panel.raw["options"]["content"], window.variables)
    axes.axis("off")
    axes.text(0, 0.9, textwrap.fill(content, 190), fontsize=9, va="top", transform=axes.transAxes)


def _row(axes: Axes, panel: Panel, _found: Sequence[tuple[Query, Series]], _window: Window) -> None:
    axes.axis("off")
    axes.axhspan(0, 1, color="0.92")
    axes.text(0.004, 0.5, panel.title, fontsize=9, fontweight="bold", va="center", transform=axes.transAxes)


def _timeseries(axes: Axes, panel: Panel, found: Sequence[tuple[Query, Series]], window: Window) -> None:
    if not found:
        _nothing(axes)
    for query, series in found:
        minutes = [(at - window.end) / 60 for at in series.times]
        axes.plot(minutes, series.values, drawstyle="steps-post", linewidth=1.2, label=_name(query, series))
    axes.set_xlim((window.start - window.end) / 60, 0)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    axes.set_xlabel(f"minutes; {panel.raw['fieldConfig']['defaults'].get('unit', '')}", fontsize=7, labelpad=1)
    if "min" in panel.raw["fieldConfig"]["defaults"]:
        axes.set_ylim(bottom=panel.raw["fieldConfig"]["defaults"]["min"])
    if found:
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[:_MOST_IN_LEGEND], labels[:_MOST_IN_LEGEND], fontsize=6, loc="upper left", framealpha=0.6)


def _stat(axes: Axes, panel: Panel, found: Sequence[tuple[Query, Series]], _window: Window) -> None:
    axes.axis("off")
    if not found:
        _nothing(axes)
    for place, (query, series) in enumerate(found):
        at = (place + 0.5) / len(found)
        name = _name(query, series)
        only_name = panel.raw["options"].get("textMode") == "name"
        axes.text(at, 0.55, name if only_name else _shown(panel, series.values[-1]), fontsize=15, ha="center", va="center")
        if not only_name:
            axes.text(at, 0.2, name, fontsize=8, ha="center", va="center")


def _bars(axes: Axes, panel: Panel, found: Sequence[tuple[Query, Series]], _window: Window) -> None:
    if not found:
        _nothing(axes)
    axes.barh([_name(query, series) for query, series in found], [series.values[-1] for _, series in found])
    axes.tick_params(labelsize=8)
    axes.set_xlabel(panel.raw["fieldConfig"]["defaults"].get("unit", ""), fontsize=7, labelpad=1)


def _nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, _NO_DATA, ha="center", va="center", color="grey", transform=axes.transAxes)


def _shown(panel: Panel, value: float) -> str:
    """A value as the panel shows it: by its mappings, its unit and its decimals."""
    defaults: Mapping[str, Any] = panel.raw["fieldConfig"]["defaults"]
    for mapping in defaults.get("mappings", ()):
        if f"{value:g}" in mapping["options"]:
            return str(mapping["options"][f"{value:g}"]["text"])
    decimals = defaults.get("decimals")
    if defaults.get("unit") == "percentunit":
        return f"{100 * value:.1f} %"
    shown = f"{value:.{decimals}f}" if decimals is not None else f"{value:.4g}"
    return f"{shown} s" if defaults.get("unit") == "s" else shown


_HOW: Final[dict[str, Callable[[Axes, Panel, Sequence[tuple[Query, Series]], Window], None]]] = {
    "text": _text,
    "row": _row,
    "timeseries": _timeseries,
    "stat": _stat,
    "gauge": _stat,
    "bargauge": _bars,
}
