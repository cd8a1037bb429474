"""Steps are given up after so many failures, and failures are listed newest first."""

from __future__ import annotations

from datetime import UTC, datetime

from fedface_core.domain.failures import (
    MOST_IN_A_ROW,
    StepFailure,
    client_step,
    is_client_step,
    is_final,
    newest_first,
    shard_step,
)
from fedface_core.domain.ids import client_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_failure(in_a_row: int = 1, total: int = 1, step: str = "control.sweep", at: datetime = NOW) -> StepFailure:
    return StepFailure(step=step, reason="KeyError: 3", in_a_row=in_a_row, total=total, since=NOW, at=at)


def test_a_step_is_given_up_after_as_many_failures_as_the_plan_has_attempts_and_five_at_least() -> None:
    assert not is_final(a_failure(MOST_IN_A_ROW - 1, MOST_IN_A_ROW - 1), attempts=1)
    assert is_final(a_failure(MOST_IN_A_ROW, MOST_IN_A_ROW), attempts=1)
    assert not is_final(a_failure(8, 8), attempts=9)
    assert is_final(a_failure(9, 9), attempts=9)
    assert not is_final(a_failure(MOST_IN_A_ROW, MOST_IN_A_ROW), attempts=5, times=2)
    assert is_final(a_failure(2 * MOST_IN_A_ROW, 10), attempts=5, times=2)


def test_reasons_that_alternate_end_too() -> None:
    assert not is_final(a_failure(1, 4 * MOST_IN_A_ROW - 1), attempts=5)
    assert is_final(a_failure(1, 4 * MOST_IN_A_ROW), attempts=5)


def test_the_step_of_a_client_is_told_from_others() -> None:
    assert is_client_step(client_step(client_id(3)))
    assert not is_client_step(shard_step(3))


def test_failures_are_shown_newest_first() -> None:
    old = a_failure(step="b")
    new = a_failure(step="c", at=NOW.replace(hour=1))
    tied = a_failure(step="a")
    assert newest_first([old, new, tied]) == [new, tied, old]
