"""A client of the paths without a version is led to those with one."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from fedface_control.api.methods import METHODS
from support.in_process import InProcess

PATHS = [
    "/runs",
    "/runs/run-0123456789ab/rounds/1/report",
    f"/models/{'0' * 64}",
    "/garbage?limit=3&after=models%2Fa",
    "/restore",
    "/runs/",
    "/runs/a%20b%3Fc//other.host",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", sorted(METHODS - {"CONNECT"}))
def test_each_request_is_led_to_the_versioned_path(api: TestClient, method: str, path: str) -> None:
    answer = api.request(method, path, follow_redirects=False)
    assert answer.status_code == 308
    place = answer.headers["Location"]
    assert place.startswith("/v1/")
    assert answer.next_request is not None
    assert answer.next_request.url == api.base_url.join("/v1" + path)


def test_the_request_arrives_with_its_body(api: TestClient, services: InProcess) -> None:
    created = api.post("/runs", json={"name": "of an old client"}, headers={"Idempotency-Key": "old"})
    assert created.status_code == 201
    assert [run.plan.name for run in services.ports.ledger.runs()] == ["of an old client"]


@pytest.mark.parametrize("path", ["/v1", "/run", "/runs/a%0d%0aX:y", "/v2/runs", "/v1/v1/runs"])
def test_other_paths_lead_nowhere(api: TestClient, path: str) -> None:
    assert api.get(path, follow_redirects=False).status_code == 404
