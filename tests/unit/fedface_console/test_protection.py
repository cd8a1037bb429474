from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from fedface_console.protection import HEADERS, POLICY, Protection


async def served(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("ok")(scope, receive, send)


BROWSER = TestClient(Protection(served, hosts=("faces.example.org",)), base_url="http://localhost")


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "faces.example.org"])
def test_the_names_of_this_host_are_served(host: str) -> None:
    assert BROWSER.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "", "[", "faces.example.org.evil.example"])
def test_a_name_that_was_made_to_lead_here_is_refused(host: str) -> None:
    answer = BROWSER.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "FEDFACE_CONSOLE_HOSTS" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(headers: dict[str, str]) -> None:
    assert BROWSER.post("/", headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"origin": "http://localhost"}, {"sec-fetch-site": "same-origin"}])
def test_a_form_of_ours_is_served(headers: dict[str, str]) -> None:
    assert BROWSER.post("/", headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_answer_keeps_scripts_styles_and_frames_of_others_away(host: str) -> None:
    answer = BROWSER.get("/", headers={"host": host})
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert answer.headers["cache-control"] == "no-store"
