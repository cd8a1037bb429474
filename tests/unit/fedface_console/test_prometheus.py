"""What the console takes from Prometheus, and that nothing which it answers breaks or floods the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from fedface_console import prometheus
from fedface_console.errors import PrometheusError
from fedface_console.prometheus import MOST_ALERTS, Process, Prometheus, Watched
from support.console import Answer, prometheus_answered_by
from support.prometheus_answers import alert, rules, vector, watching


def asked(answer: Answer) -> Watched:
    async def ask() -> Watched:
        async with prometheus_answered_by(answer) as http:
            return await Prometheus(http).watched()

    return asyncio.run(ask())


def test_processes_that_are_gone_come_first_with_the_tasks_of_each() -> None:
    watched = asked(watching)
    assert watched.processes == [
        Process("client", "10.0.0.2:9100", alive=False),
        Process("client", "10.0.0.1:9100", alive=True, done=43, failed=2),
        Process("sweep", "10.0.0.3:9100", alive=True, done=100),
    ]
    assert watched.services == {"client": (1, 2), "sweep": (1, 1)}


@pytest.mark.parametrize("untold", ["NaN", "+Inf", "-Inf"])
def test_a_count_that_prometheus_cannot_tell_breaks_no_page(untold: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        place = {"job": "client", "instance": "10.0.0.1:9100"}
        if "fedface_task_seconds" not in request.url.params.get("query", ""):
            return watching(request)
        return httpx.Response(200, json=vector([(place | {"outcome": "ok"}, untold), (place | {"outcome": "error"}, "2")]))

    found = asked(answer).processes
    assert found[1] == Process("client", "10.0.0.1:9100", alive=True, done=0, failed=2)


def test_alerts_that_are_on_come_before_those_that_will_be() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/rules":
            return httpx.Response(200, json=rules(alert("pending"), alert(), alert(annotations={}, labels={})))
        return httpx.Response(200, json=vector([]))

    watched = asked(answer)
    assert [one.firing for one in watched.alerts] == [True, True, False]
    assert (watched.rules, watched.alerts[0].name, watched.alerts[0].severity) == (2, "WorkerGone", "critical")
    assert watched.alerts[0].since.minute == 0
    assert watched.alerts[0].link == "https://runbooks.example/#workergone"
    assert (watched.alerts[1].summary, watched.alerts[1].link) == ("", "")


@pytest.mark.parametrize("link", ["javascript:alert(1)", "docs/runbooks.md#x", "//evil.example", "data:text/html,x"])
def test_only_a_web_address_is_a_link(link: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/rules":
            return httpx.Response(200, json=rules(alert(annotations={"runbook_url": link})))
        return httpx.Response(200, json=vector([]))

    assert asked(answer).alerts[0].link == ""


def test_more_alerts_than_a_page_holds_are_cut() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/rules":
            return httpx.Response(200, json=rules(*[alert() for _ in range(MOST_ALERTS + 1)]))
        return httpx.Response(200, json=vector([]))

    assert len(asked(answer).alerts) == MOST_ALERTS


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (httpx.Response(500, text="out of memory"), "status 500"),
        (httpx.Response(302, headers={"Location": "http://169.254.169.254/"}), "status 302"),
        (httpx.Response(200, text="<html>"), "is no Prometheus"),
        (httpx.Response(200, headers={"Content-Encoding": "identity"}, text="{}"), "an encoding"),
        (httpx.Response(200, json={"status": "error", "error": "bad_data"}), "is no Prometheus"),
        (httpx.Response(200, json={"status": "success", "data": {"result": 3}}), "is no Prometheus"),
        (httpx.Response(200, json=vector([({"job": "x" * 2001}, "1")])), "is no Prometheus"),
    ],
)
def test_an_answer_that_is_none_is_told(response: httpx.Response, said: str) -> None:
    with pytest.raises(PrometheusError, match=said):
        asked(lambda _request: httpx.Response(response.status_code, headers=response.headers, content=response.content))


def test_a_prometheus_that_is_away_is_told() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(PrometheusError, match=r"Nothing answers at http://prometheus:9090 \(ConnectError\)"):
        asked(answer)


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MOST_BYTES", 2 << 20)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1 << 16
            yield b" " * (1 << 16)

    with pytest.raises(PrometheusError, match="more than 2 MB"):
        asked(lambda _request: httpx.Response(200, content=endless()))
    assert sent < 16 << 20


def test_an_answer_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "SECONDS", 0.05)

    async def dripping() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b" "

    with pytest.raises(PrometheusError, match="has not answered for"):
        asked(lambda _request: httpx.Response(200, content=dripping()))
