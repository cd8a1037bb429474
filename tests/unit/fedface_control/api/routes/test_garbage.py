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
    assert api.get("/garbage").json() == {"keys": [STRAY], "removed": False}
    assert STRAY in services.ports.artifacts.keys("")
    assert api.delete("/garbage").json() == {"keys": [STRAY], "removed": True}
    assert services.ports.artifacts.keys("") == kept
    assert api.get("/garbage").json()["keys"] == []


def test_what_is_young_is_left_alone(api: TestClient, services: InProcess) -> None:
    services.ports.artifacts.put(STRAY, b"left behind")
    services.clock.advance(2 * 3600)
    assert api.delete("/garbage").json()["keys"] == []
    assert api.get("/garbage", params={"older_than_hours": 2}).json()["keys"] == [STRAY]


@pytest.mark.parametrize("hours", ["0.5", "nan", "inf", "1e8", "1e12", "87601"])
def test_the_grace_period_is_bounded(api: TestClient, hours: str) -> None:
    """It cannot be given up, nor reach back before the calendar begins."""
    for method in ("GET", "DELETE"):
        refused = api.request(method, "/garbage", params={"older_than_hours": hours})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "query.older_than_hours"


def test_the_longest_grace_period_is_ten_years(api: TestClient) -> None:
    assert api.get("/garbage", params={"older_than_hours": 87_600}).json() == {"keys": [], "removed": False}
