"""What Prometheus knows of the services: which processes are alive, what they do, and which alerts are on.

The console asks it for readers who may see metrics. Its answers are bounded, and nothing in them is believed to be more than
text.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar

import httpx
from pydantic import BaseModel, Field, ValidationError

from fedface_console.errors import PrometheusError

SECONDS: Final = 5.0
MOST_BYTES: Final = 4 * 2**20
MOST_ALERTS: Final = 100
MINUTES: Final = 10
"""Of the tasks that are counted."""

_PROCESSES: Final = "up and on (job) count by (job) (last_over_time(fedface_artifact_bytes_total[1d]))"
"""All processes of the services, by the metric that each of them exports: Prometheus may watch other machines too."""
_TASKS: Final = f"sum by (job, instance, outcome) (increase(fedface_task_seconds_count[{MINUTES}m]))"
_FAILED: Final = frozenset({"error", "refused", "forged", "given_up"})

_Text = Annotated[str, Field(max_length=2000)]
_Texts = dict[_Text, _Text]
AnswerT = TypeVar("AnswerT", bound="_Answer")


@dataclass(frozen=True)
class Process:
    """One process of a service, as Prometheus sees it, with its tasks of the last `MINUTES` minutes."""

    service: str
    address: str
    alive: bool
    done: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Alert:
    """An alert that is on, or will be soon. The link is empty if the alert has none."""

    name: str
    firing: bool
    severity: str
    since: datetime
    summary: str
    action: str
    link: str


@dataclass(frozen=True)
class Watched:
    """What Prometheus says: all processes of the services, those that are gone first; the alerts; how many rules it has."""

    processes: list[Process]
    alerts: list[Alert]
    rules: int

    @property
    def services(self) -> dict[str, tuple[int, int]]:
        """Service → how many of its processes are alive, and how many there are."""
        found: dict[str, tuple[int, int]] = {}
        for one in self.processes:
            alive, all_of_them = found.get(one.service, (0, 0))
            found[one.service] = (alive + one.alive, all_of_them + 1)
        return dict(sorted(found.items()))


class _Answer(BaseModel):
    status: Literal["success"]


class _Sample(BaseModel):
    metric: _Texts
    value: tuple[float, float]


class _Vector(BaseModel):
    result: list[_Sample]


class _Instant(_Answer):
    data: _Vector


class _Active(BaseModel):
    state: Literal["firing", "pending"]
    active_at: datetime = Field(alias="activeAt")
    labels: _Texts
    annotations: _Texts


class _Rule(BaseModel):
    name: _Text
    alerts: list[_Active] = []


class _Group(BaseModel):
    rules: list[_Rule]


class _Groups(BaseModel):
    groups: list[_Group]


class _Rules(_Answer):
    data: _Groups


class Prometheus:
    """A Prometheus. Every method raises `PrometheusError` if it does not answer in time, or with what is not understood."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def watched(self) -> Watched:
        """All processes and all alerts."""
        processes, tasks, rules = await asyncio.gather(
            self._asked(_Instant, "/api/v1/query", query=_PROCESSES),
            self._asked(_Instant, "/api/v1/query", query=_TASKS),
            self._asked(_Rules, "/api/v1/rules", type="alert"),
        )
        all_rules = [rule for group in rules.data.groups for rule in group.rules]
        return Watched(_processes(processes, tasks), _alerts(all_rules), len(all_rules))

    async def _asked(self, answer: type[AnswerT], path: str, **params: str) -> AnswerT:
        request = self._http.build_request("GET", path, params=params, headers={"Accept-Encoding": "identity"})
        try:
            async with asyncio.timeout(SECONDS):
                response = await self._http.send(request, stream=True)
                try:
                    body = await _bounded(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise PrometheusError(f"Prometheus at {self._http.base_url} has not answered for {SECONDS:.0f} s.") from None
        except httpx.HTTPError as error:
            raise PrometheusError(
                f"Nothing answers at {self._http.base_url} ({type(error).__name__}): see that Prometheus runs there, and "
                "that FEDFACE_PROMETHEUS_URL names it."
            ) from None
        if response.status_code != httpx.codes.OK:
            raise PrometheusError(f"Prometheus at {self._http.base_url} has answered with status {response.status_code}.")
        try:
            return answer.model_validate_json(body)
        except ValidationError:
            raise PrometheusError(f"What answers at {self._http.base_url} is no Prometheus that is understood.") from None


async def _bounded(response: httpx.Response) -> bytes:
    if "content-encoding" in response.headers:  # it was asked for plain bytes, and what is packed has no bound
        raise PrometheusError("Prometheus has answered in an encoding that it was not asked for.")
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MOST_BYTES:
            raise PrometheusError(f"Prometheus has answered with more than {MOST_BYTES >> 20} MB: it watches too much.")
    return bytes(body)


def _processes(up: _Instant, tasks: _Instant) -> list[Process]:
    done: dict[tuple[str, str], int] = defaultdict(int)
    failed: dict[tuple[str, str], int] = defaultdict(int)
    for one in tasks.data.result:
        counts = failed if one.metric.get("outcome") in _FAILED else done
        if math.isfinite(one.value[1]):  # Prometheus says NaN of what it cannot tell
            counts[_place(one)] += round(one.value[1])
    found = [
        Process(*_place(one), alive=one.value[1] == 1, done=done[_place(one)], failed=failed[_place(one)])
        for one in up.data.result
    ]
    return sorted(found, key=lambda process: (process.alive, process.service, process.address))


def _place(sample: _Sample) -> tuple[str, str]:
    return sample.metric.get("job", ""), sample.metric.get("instance", "")


def _alerts(rules: list[_Rule]) -> list[Alert]:
    """Those that are on first, then those that will be soon; of these the newest first."""
    found = [_alert(rule, active) for rule in rules for active in rule.alerts]
    return sorted(found, key=lambda alert: (not alert.firing, -alert.since.timestamp()))[:MOST_ALERTS]


def _alert(rule: _Rule, active: _Active) -> Alert:
    link = active.annotations.get("runbook_url", "")
    return Alert(
        name=rule.name,
        firing=active.state == "firing",
        severity=active.labels.get("severity", ""),
        since=active.active_at,
        summary=active.annotations.get("summary", ""),
        action=active.annotations.get("action", ""),
        link=link if link.startswith(("https://", "http://")) else "",
    )
