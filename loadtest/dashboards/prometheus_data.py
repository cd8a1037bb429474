"""A Prometheus on this machine that scrapes a local stack with the alerts of deploy/, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from fedface_core.domain.errors import UnavailableError
from loadtest.dashboards.dashboard_files import DEPLOY


@dataclass(frozen=True)
class Series:
    """One line of an answer: its labels, the times (seconds since 1970) and the values."""

    labels: Mapping[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]


def configure(file: Path, targets: Mapping[str, str], every: str = "500ms", alertmanager: str | None = None) -> None:
    """Write the configuration of a Prometheus that scrapes ``targets`` (job → host:port) so often."""
    jobs = [{"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()]
    managers = [{"static_configs": [{"targets": [alertmanager]}]}] if alertmanager else []
    configuration = {
        "global": {
            "scrape_interval": every,
            "scrape_timeout": every,
            "evaluation_interval": "1s",
            "external_labels": {"runbooks": "https://docs.example.org/runbooks"},
        },
        "rule_files": [str(DEPLOY / "prometheus/alerts.yml")],
        "scrape_configs": jobs,
        "alerting": {
            "alert_relabel_configs": [{"action": "labeldrop", "regex": "runbooks"}],
            "alertmanagers": managers,
        },
    }
    file.write_text(json.dumps(configuration, allow_nan=False), encoding="utf-8")  # JSON is YAML too


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus at ``url``. `UnavailableError` if it does not answer, or refuses a query."""

    url: str

    def now(self, expression: str, at: float | None = None) -> list[Series]:
        """The series of an expression, each with its value at this moment, or ``at`` another one."""
        found = self._ask("query", {"query": expression} | ({} if at is None else {"time": at}))
        return [Series(one["metric"], (float(one["value"][0]),), (float(one["value"][1]),)) for one in found]

    def over(self, expression: str, start: float, end: float, step: float = 1.0) -> list[Series]:
        """The series of an expression from ``start`` to ``end``, in seconds since 1970."""
        found = self._ask("query_range", {"query": expression, "start": start, "end": end, "step": step})
        return [
            Series(one["metric"], tuple(float(at) for at, _ in one["values"]), tuple(float(v) for _, v in one["values"]))
            for one in found
        ]

    def _ask(self, path: str, parameters: Mapping[str, str | float]) -> list[dict[str, Any]]:
        try:
            answer = httpx.get(f"{self.url}/api/v1/{path}", params=dict(parameters), trust_env=False, timeout=30)
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise UnavailableError(f"Prometheus at {self.url} does not answer: {error}") from error
        if body.get("status") != "success":
            raise UnavailableError(f"Prometheus refuses {parameters['query']}: {body.get('error')}")
        found: list[dict[str, Any]] = body["data"]["result"]
        return found
