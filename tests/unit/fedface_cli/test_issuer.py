"""How often the issuer is asked about a code, and for how long."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from pydantic import SecretStr

from fedface_cli import issuer
from fedface_cli.issuer import DeviceCode, Endpoints, issuer_client, wait_for_session
from fedface_cli.sign_in_errors import NotSignedInError
from fedface_core.domain.errors import FedFaceError, InvalidInputError

ENDPOINTS = Endpoints(issuer="https://issuer", token_endpoint="https://issuer/token")
PENDING = httpx.Response(400, json={"error": "authorization_pending"})
SLOWER = httpx.Response(400, json={"error": "slow_down"})
DONE = httpx.Response(200, json={"access_token": "a", "refresh_token": "r", "expires_in": 60})
Given = httpx.Response | Exception


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(issuer, "pause", taken.append)
    return taken


def code(interval: float = 5, expires_in: float = 600) -> DeviceCode:
    secret = SecretStr("secret")
    return DeviceCode(
        device_code=secret, user_code="A-B", verification_uri="https://issuer/x", expires_in=expires_in, interval=interval
    )


def answering(*answers: Given) -> Callable[[httpx.Request], httpx.Response]:
    """Gives one answer after the other; the last one again and again."""
    left = list(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, Exception):
            raise given
        return httpx.Response(given.status_code, content=given.content)

    return answer


def waited(pauses: list[float], given: DeviceCode, *answers: Given) -> list[float]:
    http = httpx.Client(transport=httpx.MockTransport(answering(*answers)))
    session = wait_for_session(http, ENDPOINTS, "cli", given, "https://control", clock=lambda: sum(pauses))
    assert (session.access_token.get_secret_value(), session.api_url) == ("a", "https://control")
    return pauses


def test_the_pauses_are_those_that_the_issuer_asks_for(pauses: list[float]) -> None:
    assert waited(pauses, code(interval=7), PENDING, PENDING, DONE) == [7, 7, 7]


def test_an_issuer_that_says_slow_down_is_asked_five_seconds_later(pauses: list[float]) -> None:
    assert waited(pauses, code(), SLOWER, PENDING, SLOWER, DONE) == [5, 10, 10, 15]


def test_an_issuer_that_does_not_answer_is_asked_half_as_often(pauses: list[float]) -> None:
    assert waited(pauses, code(), httpx.ReadTimeout("slow"), httpx.ConnectError("away"), DONE) == [5, 10, 20]


@pytest.mark.parametrize(("interval", "pause"), [(0, 1), (0.01, 1), (1e9, 60)])
def test_no_issuer_makes_us_ask_without_a_pause_or_never(pauses: list[float], interval: float, pause: float) -> None:
    assert waited(pauses, code(interval=interval), DONE) == [pause]


@pytest.mark.parametrize(("expires_in", "longest"), [(20, 25), (1e9, 3660)])
def test_a_code_that_nobody_confirms_ends(pauses: list[float], expires_in: float, longest: float) -> None:
    with pytest.raises(NotSignedInError, match="nobody has confirmed the code in time"):
        waited(pauses, code(interval=expires_in, expires_in=expires_in), PENDING)
    assert sum(pauses) <= longest


def test_an_answer_without_end_is_cut(pauses: list[float]) -> None:
    with pytest.raises(FedFaceError, match="more than 1,048,576 bytes"):
        waited(pauses, code(), httpx.Response(200, content=b" " * (1 << 20) + b"x"))


@pytest.mark.parametrize("url", ["http://issuer.example", "ftp://127.0.0.1", "https://[::1", "issuer"])
def test_tokens_travel_by_https(url: str) -> None:
    with pytest.raises(InvalidInputError, match="the issuer is"):
        issuer_client(url)


def test_an_issuer_on_this_machine_needs_no_certificate() -> None:
    issuer_client("http://localhost:8080").close()
