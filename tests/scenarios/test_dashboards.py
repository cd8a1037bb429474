"""The dashboards are what Grafana's own schema knows, and say what they show."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from loadtest.dashboards.dashboard_files import DEPLOY, dashboards

FILES = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
each_file = pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)


@pytest.fixture(scope="module", autouse=True)
def panels_that_the_schema_knows() -> None:
    plugins.register_default_plugins()


def unknown_to_the_schema(given: Any) -> list[str]:
    """The path of each field that Grafana's schema does not take as it is given: read by the schema and written again."""
    known = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(given)))
    return list(_differences(given, known, ""))


def _differences(given: Any, known: Any, path: str) -> Any:
    if isinstance(given, dict) and isinstance(known, dict):
        for name, value in given.items():
            if name in known:
                yield from _differences(value, known[name], f"{path}/{name}")
            else:
                yield f"{path}/{name}"
    elif isinstance(given, list) and isinstance(known, list) and len(given) == len(known):
        for place, (one, other) in enumerate(zip(given, known, strict=True)):
            yield from _differences(one, other, f"{path}/{place}")
    elif given != known:
        yield path


@each_file
def test_grafanas_schema_knows_every_field(file: Any) -> None:
    assert unknown_to_the_schema(json.loads(file.read_text())) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("refreshes",), "5s"),
        (("panels", 2, "options", "colourMode"), "none"),
        (("panels", 2, "targets", 0, "expression"), "up"),
        (("panels", 2, "fieldConfig", "defaults", "units"), "s"),
        (("panels", 2, "gridPos", "width"), 4),
    ],
)
def test_a_field_that_grafana_does_not_have_is_noticed(path: tuple[str | int, ...], value: Any) -> None:
    wrong = copy.deepcopy(json.loads((DEPLOY / "grafana/dashboards/run.json").read_text()))
    part = wrong
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    assert unknown_to_the_schema(wrong) == ["/" + "/".join(map(str, path))]


def test_the_run_dashboard_says_where_the_curves_by_round_are_and_draws_none() -> None:
    """A scrape every 5 s saw 6 of 25 rounds."""
    read = json.loads((DEPLOY / "grafana/dashboards/run.json").read_text())
    note = dashboards()["run"].panels[0]
    assert "no curve by round is drawn here" in note.raw["options"]["content"]
    assert "[the console]($console/runs/$run)" in note.raw["options"]["content"]
    assert [link["url"] for link in read["links"]] == ["$console/runs/$run"]
    assert "console" in [variable["name"] for variable in read["templating"]["list"]]
    drawn = [
        query.expression for panel in dashboards()["run"].panels if panel.kind == "timeseries" for query in panel.queries
    ]
    assert drawn
    for scores in ("verification", "loss", "norm", "cosine"):
        assert not [expression for expression in drawn if scores in expression]


def test_every_series_of_a_panel_has_a_name() -> None:
    """A blank name, or a bare letter, tells nothing."""
    for dashboard in dashboards().values():
        for panel in dashboard.panels:
            assert all(query.legend for query in panel.queries), panel.title
            assert not [query for query in panel.queries if query.expression.endswith("or on () vector(0)")], panel.title
