"""Invented methods, paths and hosts add no series to the metrics."""

from __future__ import annotations

from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.problem_details import problem
from support.prometheus_text import scrape

TOKENS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabc-_!#", min_size=1, max_size=30)
NAMES = st.text("abcdefghijklmnop0123456789", min_size=1, max_size=20)


def series(api: TestClient) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {(name, frozenset(labels)) for name, labels in scrape(api) if name.startswith("http_")}


def test_what_a_request_invents_is_no_label(api: TestClient) -> None:
    for method in ("GET", "PUT"):
        for path in ("/walks", "/v1/runs"):
            api.request(method, path)
    before = series(api)

    @settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
    @given(TOKENS, NAMES, NAMES)
    def ask(method: str, path: str, host: str) -> None:
        api.request(f"X{method}", f"/v1/runs/{path}", headers={"Host": host})
        api.get(f"/x{path}", headers={"Host": host})

    ask()
    assert series(api) == before


def test_an_invented_method_is_a_problem(api: TestClient) -> None:
    assert problem(api.request("BREW", "/v1/runs"), 501, "Not Implemented").detail == "the method is none of HTTP's"
