"""A decision is made again if another process was faster, but not for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedface_control.compare_and_set import retry_if_stale
from fedface_core.domain.errors import StaleVersionError, WrongPhaseError


def decision(errors: list[Exception], attempts: list[int]) -> Callable[[], str]:
    """A decision that raises these errors in turn, and then succeeds; each attempt is counted."""

    @retry_if_stale
    def decide() -> str:
        attempts.append(len(attempts) + 1)
        if len(attempts) <= len(errors):
            raise errors[len(attempts) - 1]
        return "decided"

    decide.retry.sleep = lambda _seconds: None
    return decide


def test_a_stale_decision_is_made_again() -> None:
    attempts: list[int] = []
    decide = decision([StaleVersionError(str(number)) for number in range(9)], attempts)
    assert decide() == "decided"
    assert len(attempts) == 10


def test_the_last_error_is_raised_after_ten_attempts() -> None:
    attempts: list[int] = []
    with pytest.raises(StaleVersionError, match=r"^9$"):
        decision([StaleVersionError(str(number)) for number in range(50)], attempts)()
    assert len(attempts) == 10


def test_another_error_is_final() -> None:
    attempts: list[int] = []
    with pytest.raises(WrongPhaseError):
        decision([StaleVersionError("faster"), WrongPhaseError("it has ended")], attempts)()
    assert len(attempts) == 2
