"""What the panels and the alerts say after known events, each by its value: a run that is disturbed, on a local stack that a
real Prometheus scrapes. The events are those of `loadtest.dashboards.eventful_run`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fedface_cli.api_client import ControlApi
from loadtest.dashboards.__main__ import alert_expressions, draw_all
from loadtest.dashboards.dashboard_files import dashboards, filled_in
from loadtest.dashboards.eventful_run import (
    CLIENTS,
    REFUSED_CLIENTS,
    REQUESTS_REFUSED,
    ROUNDS,
    UNREADABLE,
    Watched,
    eventful_run,
    repeats_in_log,
)
from support.monitoring import monitoring_binary

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

ACCEPTED = CLIENTS * (ROUNDS + 1) + 2 * REFUSED_CLIENTS


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    monitoring_binary("prometheus")
    with eventful_run(tmp_path_factory.mktemp("eventful"), alert_expressions()) as happened:
        yield happened


def shown(watched: Watched, dashboard: str, title: str, ref: str = "A", **variables: str) -> dict[tuple[str, ...], float]:
    """What a panel shows at this moment, by the values of the labels of its series, in order of the labels' names.

    ``increase`` extrapolates to the ends of its hour, so a count may be above what happened: `extrapolated`.
    """
    (query,) = [query for query in dashboards()[dashboard].panel(title).queries if query.ref == ref]
    found = watched.now(filled_in(query.expression, variables))
    return {tuple(value for _, value in sorted(series.labels.items())): series.values[-1] for series in found}


def counts(values: Mapping[tuple[str, ...], float]) -> dict[tuple[str, ...], int]:
    return {labels: round(value) for labels, value in values.items()}


def extrapolated(count: float) -> Any:
    """What ``increase`` may show of ``count`` events: by a sixth more, where a busy machine has put off a scrape or two."""
    return pytest.approx(13 / 12 * count, rel=1 / 13)


def of_alert(watched: Watched, alert: str) -> list[tuple[dict[str, str], float]]:
    found = watched.now(alert_expressions()[alert])
    return [
        ({name: value for name, value in series.labels.items() if name != "__name__"}, series.values[-1]) for series in found
    ]


def test_every_alert_of_the_file_is_known() -> None:
    assert len(alert_expressions()) == 12


def test_the_runs_went_as_they_should(watched: Watched) -> None:
    with ControlApi(watched.stack.api_url) as api:
        assert api.run(watched.run).phase == "completed", api.run(watched.run).failure
        assert api.run(watched.refused_run).phase == "failed"


# ---- a refusal ------------------------------------------------------------------------------------------------------------


def test_the_refused_updates_are_shown_by_their_reason(watched: Watched) -> None:
    assert watched.value('sum(fedface_updates_total{outcome="refused",reason="norm_exceeded"})') == REFUSED_CLIENTS
    panel = {labels: value for labels, value in shown(watched, "fleet", "Refused in the last hour").items() if value}
    assert panel == {("norm_exceeded",): extrapolated(REFUSED_CLIENTS)}


def test_the_alert_on_refused_updates_has_their_share(watched: Watched) -> None:
    ((labels, share),) = of_alert(watched, "UpdatesRefused")
    assert labels == {}
    assert share == pytest.approx(REFUSED_CLIENTS / (ACCEPTED + REFUSED_CLIENTS), rel=0.1)


def test_the_alert_on_updates_out_of_bounds_counts_them(watched: Watched) -> None:
    ((_, count),) = of_alert(watched, "UpdatesOutOfBounds")
    assert count == extrapolated(REFUSED_CLIENTS)


def test_the_alert_on_failed_runs_names_the_one_that_failed(watched: Watched) -> None:
    assert [labels["run"] for labels, _ in of_alert(watched, "RunFailed")] == [watched.refused_run]


# ---- repeats, a lost message ----------------------------------------------------------------------------------------------


def test_the_repeats_are_those_in_the_log_of_the_sweep(watched: Watched) -> None:
    repeats = repeats_in_log(watched)
    assert repeats["preparing"] >= 1
    panel = counts(shown(watched, "fleet", "Repeats by the sweep"))
    assert {phase: count for (phase,), count in panel.items() if count} == dict(repeats)


def test_the_alert_on_missing_workers_named_the_client_while_it_was_away(watched: Watched) -> None:
    assert {"job": "client"} in watched.seen["NoWorkers"]
    assert of_alert(watched, "NoWorkers") == []


# ---- waits, a broker that was away ----------------------------------------------------------------------------------------


def test_the_wait_for_the_ledger_is_shown(watched: Watched) -> None:
    panel = shown(watched, "fleet", "Tasks that wait")
    waited = watched.value('sum(fedface_waiting_seconds_total{dependency="ledger"})')
    assert 0.1 < waited < 60
    assert panel.keys() == {("artifact_store",), ("broker",), ("ledger",)}
    at_all = watched.value('sum(increase(fedface_waiting_seconds_total{dependency="ledger"}[1h]))')
    assert at_all == pytest.approx(waited, rel=0.1)


def test_the_alert_on_dependencies_named_the_ledger_while_it_was_away(watched: Watched) -> None:
    assert watched.seen["DependencyUnreachable"] == [{"dependency": "ledger"}]
    assert of_alert(watched, "DependencyUnreachable") == []


def test_the_first_5xx_of_a_route_are_increases(watched: Watched) -> None:
    increase = 'sum(increase(http_requests_total{handler=~".*/runs", method="GET", status="5xx"}[1h]))'
    assert round(watched.value(increase)) == REQUESTS_REFUSED
    assert {status for (status,) in shown(watched, "fleet", "Requests per second")} == {"2xx", "3xx", "4xx", "5xx"}


# ---- a crash of a worker --------------------------------------------------------------------------------------------------


def test_each_update_is_counted_once_though_processes_were_killed(watched: Watched) -> None:
    assert watched.value('sum(fedface_updates_total{outcome="accepted"})') == ACCEPTED


def test_the_task_of_the_killed_process_came_back(watched: Watched) -> None:
    panel = counts(shown(watched, "fleet", "Tasks that failed in the last hour", "B"))
    assert panel[("client.train",)] >= 1


# ---- messages that are none of ours ---------------------------------------------------------------------------------------


def test_the_dropped_messages_are_shown_by_queue_and_fault(watched: Watched) -> None:
    expected = {("not_json", queue): count for queue, count in UNREADABLE.items()}
    assert counts(shown(watched, "fleet", "Messages dropped in the last hour")) == expected
    alerts = {(labels["fault"], labels["queue"]): round(value) for labels, value in of_alert(watched, "MessagesDropped")}
    assert alerts == expected


def test_the_forged_message_is_shown(watched: Watched) -> None:
    failed = counts(shown(watched, "fleet", "Tasks that failed in the last hour"))
    assert failed[("forged", "client.train")] == 1
    assert [(labels, round(value)) for labels, value in of_alert(watched, "MessagesForged")] == [({"queue": "client"}, 1)]


# ---- all of it ------------------------------------------------------------------------------------------------------------


def test_no_count_of_any_process_appeared_with_its_first_event(watched: Watched) -> None:
    """Every series of every counter and histogram of every process was there before anything had happened."""
    assert watched.counted_series() == watched.at_start


def test_the_dashboards_are_drawn_and_no_panel_is_empty(watched: Watched, tmp_path: Path) -> None:
    pictures = draw_all(watched, tmp_path, {"run": watched.run, "console": "http://127.0.0.1:8080"})
    assert {file.name: empty for file, empty in pictures.items()} == {"fleet.png": [], "run.png": []}
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in pictures)


@pytest.mark.parametrize("title", ["Rounds finished", "Progress"])
def test_the_run_dashboard_tells_where_the_run_stands(watched: Watched, title: str) -> None:
    values: Any = shown(watched, "run", title, run=watched.run)
    assert values[()] == {"Rounds finished": ROUNDS, "Progress": 1.0}[title]
