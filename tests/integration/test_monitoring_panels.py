"""Every panel's query and every alert's rule, evaluated by a real Prometheus that has scraped a local stack during a run."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from fedface_cli.api_client import ControlApi
from fedface_core.contracts.http import RunDetail
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED
from fedface_core.runtime.prompt_answers import PROMPT_SECONDS
from fedface_stack.children import Children
from fedface_stack.stack import LocalStack
from loadtest.dashboards.dashboard_files import dashboards
from support.monitoring import DEPLOY, monitoring_binary, start_prometheus

pytestmark = pytest.mark.timeout(600)  # the first test waits for the run, which takes long on a busy machine

PLAN = Plan.model_validate(
    {
        "name": "watched by Prometheus",
        "model": {
            "architecture": "spherenet-4",
            "height": 28,
            "width": 24,
            "embedding_size": 16,
            "widths": [4, 8, 8, 16],
        },
        "data": {"dataset": "synthetic", "images_per_identity": 4},
        "split": {"clients": 4, "test": 8},
        "local_training": {"steps": 2},
        "rounds": 6,
    }
)


SCRAPE = 2.0
"""Seconds between two scrapes, and for one. A process waits `PROMPT_SECONDS` for its ledger, which a scrape must outlast."""
assert SCRAPE >= 2 * PROMPT_SECONDS


@dataclass(frozen=True)
class Watched:
    """A finished run, and the Prometheus that scraped its services.

    On a busy machine a scrape comes late, fails, or lacks what the ledger did not say in time; then Prometheus knows nothing
    of these series at that moment. So exact values are asked for at the moment ``at``: every process was scraped after the
    end of the run, and what is looked for was there.
    """

    run: RunDetail
    prometheus: str
    started: float
    at: float = 0.0

    def query(self, expression: str, *, instant: bool, at: float | None = None) -> list[float]:
        """The values that a panel of this query would draw, at one moment if ``instant``; NaN is left out."""
        shown = expression.replace("$run", self.run.id).replace("$__rate_interval", "20s")
        path = "query" if instant else "query_range"
        now = time.time() if at is None else at
        window = {"time": now} if instant else {"start": self.started, "end": now, "step": 1.0}
        answer = httpx.get(
            f"{self.prometheus}/api/v1/{path}", params={"query": shown, **window}, trust_env=False, timeout=30
        ).json()
        assert answer["status"] == "success", f"{shown}: {answer['error']}"
        series = answer["data"]["result"]
        texts = [one["value"][1] for one in series] if instant else [v for one in series for _, v in one["values"]]
        return [float(text) for text in texts if text != "NaN"]


@pytest.fixture(scope="module")
def watched(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The local stack, a Prometheus with our alerts that scrapes it, and a run that has ended."""
    binary = monitoring_binary("prometheus")
    home = tmp_path_factory.mktemp("monitoring")
    with LocalStack(home / "stack", client_workers=1) as stack, ExitStack() as ending:
        targets = stack.metrics_targets
        url = start_prometheus(binary, home, targets, server_processes, ending, every=f"{SCRAPE:g}s")
        wait_for("every target to be scraped", lambda: up(url) == dict.fromkeys(targets, 1.0))
        started = time.time()
        with ControlApi(stack.api_url) as api:
            run_id = api.create(PLAN).id
            api.start(run_id)
            wait_for("the run to end", lambda: api.run(run_id).phase in ENDED)
            ended = api.run(run_id)
        assert ended.phase == "completed", ended.failure
        yield settled(Watched(ended, url, started), len(targets))


def settled(watched: Watched, processes: int) -> Watched:
    """The watched run with a moment at which Prometheus knew all of it, and which no scrape that goes on now can change."""
    ended = time.time()
    scraped = f"count(timestamp(up) > {ended:.3f} and up == 1)"
    last = f'fedface_run_phase{{run="$run", phase="completed"}} and on (run) fedface_verification_round == {PLAN.rounds}'
    known: list[float] = []

    def is_known() -> bool:
        at = time.time() - 2 * SCRAPE
        if watched.query(scraped, instant=True, at=at) == [processes] and watched.query(last, instant=True, at=at) == [1.0]:
            known.append(at)
        return bool(known)

    wait_for("all counts and the last round's scores", is_known)
    return replace(watched, at=known[0])


def up(url: str) -> dict[str, float]:
    try:
        answer = httpx.get(f"{url}/api/v1/query", params={"query": "up"}, trust_env=False, timeout=30)
    except httpx.TransportError:
        return {}
    if answer.status_code != httpx.codes.OK:  # it is still starting
        return {}
    return {one["metric"]["job"]: float(one["value"][1]) for one in answer.json()["data"]["result"]}


def wait_for(what: str, is_so: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.3)


def panel_queries() -> list[Any]:
    """Each query of each panel of each dashboard."""
    return [
        pytest.param(query.expression, query.instant, id=f"{name}: {panel.title}, {query.ref}")
        for name, dashboard in dashboards().items()
        for panel in dashboard.panels
        for query in panel.queries
        if not query.expression.endswith("> 0")  # it shows only what happened: test_monitoring_values
    ]


@pytest.mark.parametrize(("expression", "instant"), panel_queries())
def test_a_panel_has_values(watched: Watched, expression: str, instant: bool) -> None:
    # A rate needs two scrapes, and on a busy machine the second comes late.
    wait_for(f"values of {expression}", lambda: watched.query(expression, instant=instant), seconds=30)


def test_the_variable_of_the_run_dashboard_offers_the_run(watched: Watched) -> None:
    variable = json.loads((DEPLOY / "grafana/dashboards/run.json").read_text())["templating"]["list"][0]
    query = re.fullmatch(r"query_result\((.+)\)", variable["query"]["query"])
    assert query is not None
    asked: dict[str, str | float] = {"query": query[1], "time": watched.at}
    answer = httpx.get(f"{watched.prometheus}/api/v1/query", params=asked, trust_env=False, timeout=30).json()
    offered = [f'{{run="{one["metric"]["run"]}"}}' for one in answer["data"]["result"]]  # as Grafana writes a series
    assert [re.findall(variable["regex"].strip("/"), text) for text in offered] == [[watched.run.id]]


def rules(watched: Watched) -> list[dict[str, Any]]:
    answer = httpx.get(f"{watched.prometheus}/api/v1/rules", trust_env=False, timeout=30).json()
    return [rule for group in answer["data"]["groups"] for rule in group["rules"]]


def test_the_alerts_look_at_metrics_that_are_there(watched: Watched) -> None:
    evaluated = rules(watched)
    assert len(evaluated) == 12
    for rule in evaluated:
        assert rule["health"] == "ok", rule
        for metric in set(re.findall(r"\b(?:fedface_[a-z_]+|up)\b(?=[{)\[])", rule["query"])):
            # Some are what another server says, and a scrape goes without them if that is slow.
            wait_for(f"{metric} of {rule['name']}", lambda name=metric: watched.query(name, instant=True), seconds=30)


def test_a_healthy_run_fires_no_alert(watched: Watched) -> None:
    assert [rule["name"] for rule in rules(watched) if rule["state"] == "firing"] == []


def test_the_scores_in_prometheus_are_those_of_the_api(watched: Watched) -> None:
    scores = watched.run.scores
    assert scores is not None
    assert watched.query('max(fedface_verification_auc{run="$run"})', instant=True, at=watched.at) == [scores.auc]
    assert watched.query('max(fedface_verification_eer{run="$run"})', instant=True, at=watched.at) == [scores.eer]
    for pairs, cosine in (("genuine", scores.mean_genuine_cosine), ("impostor", scores.mean_impostor_cosine)):
        expression = f'max(fedface_verification_cosine_mean{{run="$run", pairs="{pairs}"}})'
        assert watched.query(expression, instant=True, at=watched.at) == [cosine]


def test_each_run_gauge_is_exported_once(watched: Watched) -> None:
    assert watched.query('count(fedface_run_round{run="$run"})', instant=True, at=watched.at) == [1.0]


def test_updates_are_counted_once_each(watched: Watched) -> None:
    """Over the client's worker processes: enrolment and each round, one accepted update of each client."""
    accepted = watched.query('sum(fedface_updates_total{outcome="accepted"})', instant=True, at=watched.at)
    assert accepted == [PLAN.split.clients * (PLAN.rounds + 1)]
