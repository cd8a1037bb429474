"""The headers of every answer: of data, of pages, of refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from support.open_sign_in import open_sign_in
from support.signing_in import client_of


@pytest.fixture(scope="module")
def api() -> TestClient:
    return client_of(open_sign_in())


@pytest.mark.parametrize("path", ["/healthz", "/v1/runs", "/nothing", "/openapi.json", "/metrics"])
def test_data_is_no_page(api: TestClient, path: str) -> None:
    headers = api.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_page_loads_the_apis_own_files_and_stands_in_no_frame(api: TestClient) -> None:
    policy = api.get("/docs").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


def test_a_refusal_has_them_too(api: TestClient) -> None:
    for refused in (api.get("/healthz", headers={"Host": "evil.example"}), api.request("BREW", "/v1/runs")):
        assert refused.status_code >= 400
        assert refused.headers["X-Content-Type-Options"] == "nosniff"


def test_what_is_for_one_person_is_kept_by_nobody(api: TestClient) -> None:
    assert api.get("/v1/runs").headers["Cache-Control"] == "no-store"
    assert "Cache-Control" not in api.get("/healthz").headers


def test_tls_stays(api: TestClient) -> None:
    assert "Strict-Transport-Security" not in api.get("/healthz").headers
    over_tls = client_of(replace(open_sign_in(), over_tls=True))
    assert over_tls.get("/healthz").headers["Strict-Transport-Security"] == "max-age=31536000"
