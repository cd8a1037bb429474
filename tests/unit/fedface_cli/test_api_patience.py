"""Waiting for an API that is away: as long as asked for, said once in each absence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedface_cli import api_patience
from fedface_cli.api_patience import ApiPatience
from fedface_cli.sign_in_errors import TooManyRequestsError
from fedface_core.domain.errors import FedFaceError, NotFoundError, UnavailableError


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(api_patience, "time", clock)
    return clock


def away_until(clock: Clock, moment: float) -> Callable[[], str]:
    def answer() -> str:
        if clock.now < moment:
            raise UnavailableError("no control API at http://h")
        return "here"

    return answer


def test_it_waits_for_as_long_as_workers_do(clock: Clock) -> None:
    said: list[str] = []
    assert ApiPatience(said.append).call(away_until(clock, 1119.0)) == "here"
    assert said == ["waiting for the control API, 120 s at most: no control API at http://h"]


def test_it_gives_up_after_the_patience_of_the_environment(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_PATIENCE_SECONDS", "7.5")
    with pytest.raises(UnavailableError, match=r"no control API at http://h; it has been away for 7\.5 s, which is the pat"):
        ApiPatience(lambda _: None).call(away_until(clock, 2000.0))
    assert clock.now == 1007.5


def test_each_absence_has_a_patience_of_its_own_and_is_said_once(clock: Clock) -> None:
    said: list[str] = []
    patience = ApiPatience(said.append)
    for back in (1100.0, 1200.0):
        patience.call(away_until(clock, back))
    clock.sleep(500.0)
    patience.answered()
    patience.call(away_until(clock, clock.now + 100.0))
    assert len(said) == 3


def test_other_errors_are_not_waited_for(clock: Clock) -> None:
    def answer() -> None:
        raise NotFoundError("no such run")

    with pytest.raises(NotFoundError):
        ApiPatience(pytest.fail).call(answer)
    assert clock.now == 1000.0


def test_the_wait_ends_with_whatever_is_checked(clock: Clock) -> None:
    def check() -> None:
        raise FedFaceError("a worker died")

    with pytest.raises(FedFaceError, match="a worker died"):
        ApiPatience(lambda _: None, check).call(away_until(clock, 2000.0))


def test_an_api_that_is_asked_too_often_is_asked_again_when_it_says(clock: Clock) -> None:
    answers: list[Exception] = [TooManyRequestsError("too many", 7), UnavailableError("away")]

    def answer() -> str:
        if answers:
            raise answers.pop(0)
        return "here"

    began = clock.now
    assert ApiPatience(lambda _reason: None).call(answer) == "here"
    assert clock.now - began == 7 + api_patience.RETRY_SECONDS


def test_at_the_beginning_only_an_api_that_is_there_is_waited_for(clock: Clock) -> None:
    answers: list[Exception] = [TooManyRequestsError("too many", 7), UnavailableError("away")]

    def answer() -> str:
        raise answers.pop(0)

    began = clock.now
    with pytest.raises(UnavailableError, match=r"^away$"):
        ApiPatience(lambda _reason: None).begin(answer)
    assert clock.now - began == 7
