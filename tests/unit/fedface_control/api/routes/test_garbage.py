"""What nothing names can be looked at, and removed, through the API."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from support.in_process import InProcess

STRAY = f"models/{'ab' * 32}.safetensors"


def test_garbage_is_shown_and_then_removed(api: TestClient, services: InProcess) -> None:
    services.run()
    kept = services.ports.artifacts.keys("")
    services.ports.artifacts.put(STRAY, b"left behind")
    services.clock.advance(86_400)
    looked_at = len(kept) + 1
    found = {"keys": [STRAY], "looked_at": looked_at, "next": None}
    assert api.get("/v1/garbage").json() == found | {"removed": False}
    assert STRAY in services.ports.artifacts.keys("")
    assert api.delete("/v1/garbage").json() == found | {"removed": True}
    assert services.ports.artifacts.keys("") == kept
    assert api.get("/v1/garbage").json()["keys"] == []


def test_what_is_young_is_left_alone(api: TestClient, services: InProcess) -> None:
    services.ports.artifacts.put(STRAY, b"left behind")
    services.clock.advance(2 * 3600)
    assert api.delete("/v1/garbage").json()["keys"] == []
    assert api.get("/v1/garbage", params={"older_than_hours": 2}).json()["keys"] == [STRAY]


@pytest.mark.parametrize("hours", ["0.5", "nan", "inf", "1e8", "1e12", "87601"])
def test_the_grace_period_is_bounded(api: TestClient, hours: str) -> None:
    """It cannot be given up, nor reach back before the calendar begins."""
    for method in ("GET", "DELETE"):
        refused = api.request(method, "/v1/garbage", params={"older_than_hours": hours})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "query.older_than_hours"


def test_the_longest_grace_period_is_ten_years(api: TestClient) -> None:
    assert api.get("/v1/garbage", params={"older_than_hours": 87_600}).json()["keys"] == []


def test_a_page_has_as_many_artifacts_as_were_asked_for_and_says_where_the_next_begins(
    api: TestClient, services: InProcess
) -> None:
    strays = [f"runs/run-00000000dead/rounds/{number}/report.json" for number in range(5)]
    for stray in strays:
        services.ports.artifacts.put(stray, b"left behind")
    services.clock.advance(86_400)
    first = api.get("/v1/garbage", params={"limit": 3}).json()
    assert first == {"keys": strays[:2], "removed": False, "looked_at": 3, "next": strays[1]}
    second = api.delete("/v1/garbage", params={"limit": 3, "after": first["next"]}).json()
    assert second == {"keys": strays[2:], "removed": True, "looked_at": 3, "next": strays[4]}
    last = api.delete("/v1/garbage", params={"limit": 3, "after": second["next"]}).json()
    assert last == {"keys": [], "removed": True, "looked_at": 0, "next": None}
    assert set(strays) & set(services.ports.artifacts.keys("")) == set(strays[:2])


@pytest.mark.parametrize(
    ("params", "detail"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 10_001}, "limit"),
        ({"after": "../etc"}, "'../etc' is not an artifact key"),
        ({"after": "a" * 501}, "after"),
    ],
)
def test_a_page_is_bounded_and_begins_after_a_key(api: TestClient, params: dict[str, str], detail: str) -> None:
    refused = api.get("/v1/garbage", params=params)
    assert refused.status_code == 422
    assert detail in refused.text
