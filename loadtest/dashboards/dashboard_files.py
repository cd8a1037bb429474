"""The dashboards as their files have them: panels, their places and their queries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
RATE_INTERVAL: Final = "20s"
"""What Grafana takes for ``$__rate_interval`` if Prometheus scrapes every 5 s."""


@dataclass(frozen=True)
class Query:
    """One query of a panel. ``legend`` names its series; ``{{label}}`` in it stands for the value of a label."""

    ref: str
    expression: str
    legend: str
    instant: bool


@dataclass(frozen=True)
class Panel:
    """A panel of a dashboard. ``place`` is its column, line, width and height in Grafana's grid, 24 columns wide."""

    title: str
    kind: str
    description: str
    place: tuple[int, int, int, int]
    queries: tuple[Query, ...]
    raw: Mapping[str, Any]
    """All that the file says of it."""


@dataclass(frozen=True)
class Dashboard:
    """A dashboard; ``name`` is that of its file without the end."""

    name: str
    title: str
    panels: tuple[Panel, ...]

    def panel(self, title: str) -> Panel:
        """The panel with this title."""
        (found,) = [panel for panel in self.panels if panel.title == title]
        return found


def dashboards() -> dict[str, Dashboard]:
    """Every dashboard of deploy/grafana, by its name."""
    files = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
    return {file.stem: _dashboard(file.stem, json.loads(file.read_text(encoding="utf-8"))) for file in files}


def filled_in(text: str, variables: Mapping[str, str]) -> str:
    """A text or an expression with the values of the dashboard's variables."""
    for name, value in {"__rate_interval": RATE_INTERVAL, **variables}.items():
        text = text.replace(f"${name}", value)
    return text


def _dashboard(name: str, read: Mapping[str, Any]) -> Dashboard:
    return Dashboard(name, read["title"], tuple(_panel(one) for one in read["panels"]))


def _panel(read: Mapping[str, Any]) -> Panel:
    grid = read["gridPos"]
    queries = tuple(
        Query(one["refId"], one["expr"], one.get("legendFormat", ""), bool(one.get("instant")))
        for one in read.get("targets", ())
    )
    place = (grid["x"], grid["y"], grid["w"], grid["h"])
    return Panel(read["title"], read["type"], read.get("description", ""), place, queries, read)
