"""What keeps pages of other sites away, by the headers that a browser sends and no page can choose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from fedface_control.auth.browsers import Hosts
from support.open_sign_in import open_sign_in
from support.signing_in import client_of


@pytest.fixture(scope="module")
def api() -> Iterator[TestClient]:
    with client_of(open_sign_in()) as client:
        yield client


HOSTS = Hosts(["faces.example.org", "*.lab.example.org"])


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8000", "LOCALHOST", "127.0.0.1:8000", "[::1]:8000", "172.18.0.5:8000", "control:8000"),
        *("faces.example.org", "Faces.Example.org:443", "a.lab.example.org", "a.b.lab.example.org"),
    ],
)
def test_a_host_of_ours(host: str) -> None:
    assert HOSTS.has(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8000", "[::1", "[evil]"),
        *(
            "xlab.example.org",
            "lab.example.org",
            "faces.example.org.evil.example",
            "evil.example@localhost.evil",
            "0x7f000001",
        ),
    ],
)
def test_a_host_of_somebody_else(host: str) -> None:
    assert not HOSTS.has(host)


def test_a_name_that_leads_here_is_not_this_api(api: TestClient) -> None:
    refused = api.get("/healthz", headers={"Host": "rebound.evil.example:8000"})
    assert (refused.status_code, refused.json()["title"]) == (421, "Misdirected request")
    assert "rebound.evil.example" in refused.json()["detail"]


def test_two_hosts_are_none(api: TestClient) -> None:
    assert api.get("/healthz", headers=[("Host", "localhost"), ("Host", "localhost")]).status_code == 421


FOREIGN = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "a sibling": {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver:9"},
    "an old browser": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://testserver:9"},
    "a sandbox": {"Origin": "null"},
    "no origin at all": {"Origin": "http://[::1"},
}


@pytest.mark.parametrize("case", FOREIGN)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/restore"), ("DELETE", "/v1/garbage"), ("PUT", f"/v1/models/{'0' * 64}")]
)
def test_a_page_of_another_site_changes_nothing(api: TestClient, case: str, method: str, path: str) -> None:
    refused = api.request(method, path, headers=FOREIGN[case])
    assert (refused.status_code, refused.json()["title"]) == (403, "Foreign page")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://testserver"}],
)
def test_programs_and_our_own_pages_are_served(api: TestClient, headers: dict[str, str]) -> None:
    assert api.post("/v1/restore", headers=headers).status_code == 200


def test_looking_is_allowed_to_a_link_from_anywhere(api: TestClient) -> None:
    assert api.get("/docs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_no_page_of_another_origin_may_read_or_ask(api: TestClient) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    answers = [api.options("/v1/runs", headers=asked), api.get("/v1/runs", headers={"Origin": "https://evil.example"})]
    assert [name for answer in answers for name in answer.headers if name.startswith("access-control")] == []


NOT_JSON = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonp"]


@pytest.mark.parametrize("kind", NOT_JSON)
def test_a_body_is_declared_to_be_json(api: TestClient, kind: str) -> None:
    refused = api.post("/v1/runs", content=b'{"name": "x"}', headers={"Content-Type": kind})
    assert (refused.status_code, refused.json()["title"]) == (415, "Unsupported media type")
    assert "application/json" in refused.json()["detail"]


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"])
def test_json_is_json(api: TestClient, kind: str) -> None:
    assert api.post("/v1/runs", content=b'{"no": "plan"}', headers={"Content-Type": kind}).status_code == 422


def test_a_request_without_a_body_declares_nothing(api: TestClient) -> None:
    assert api.post("/v1/restore").status_code == 200
