"""The reason of a failure is short, shows no secret and no class embedding, and is of one kind with reasons like it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.failures import (
    LONGEST_REASON,
    MOST_IN_A_ROW,
    StepFailure,
    client_step,
    identity,
    is_client_step,
    is_final,
    newest_first,
    reason_of,
    shard_step,
)
from fedface_core.domain.free_text import one_line
from fedface_core.domain.ids import client_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_failure(in_a_row: int = 1, total: int = 1, step: str = "control.sweep", at: datetime = NOW) -> StepFailure:
    return StepFailure(step=step, reason="KeyError: 3", in_a_row=in_a_row, total=total, since=NOW, at=at)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("no memory"), "RuntimeError: no memory"),
        (InvalidInputError("the folder is empty"), "InvalidInputError: the folder is empty"),
        (AssertionError(), "AssertionError"),
        (OSError(28, "No space left on device", "/a/x"), "OSError: [Errno 28] No space left on device: '/a/x'"),
        (RuntimeError("two\nlines\t\x1b[31mred"), r"RuntimeError: two lines \x1b[31mred"),
        (RuntimeError("redis://:hunter2@host:6379/0 is away"), "RuntimeError: redis://***@host:6379/0 is away"),
        (RuntimeError("https://me:hunter2@host/x"), "RuntimeError: https://***@host/x"),
        (RuntimeError("password=hunter2, user=me"), "RuntimeError: password=***, user=me"),
        (RuntimeError("{'secret_key': 'hunter2'}"), "RuntimeError: {'secret_key': ***"),
        (RuntimeError("X-Amz-Signature=hunter2&x=1"), "RuntimeError: X-Amz-Signature=***&x=1"),
        (RuntimeError("Authorization: Bearer hunter2"), "RuntimeError: Authorization: ***"),
        (ValueError("tensor([0.1, -0.25,\n 3e-1, 1.])"), "ValueError: tensor([0.1, -0.25, 3e-1, 1.])"),
        (ValueError("tensor([0.1000, -0.2500,\n        0.3])"), "ValueError: tensor([…])"),
        (ValueError("tensor([[12, 13, 14], [15, 16, 17]])"), "ValueError: tensor([[…]])"),
        (ValueError("shape (8, 3, 112, 96) is not (3, 112, 96)"), "ValueError: shape (8, 3, 112, 96) is not (3, 112, 96)"),
    ],
)
def test_a_reason_is_the_errors_type_and_message_without_secrets(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_a_reason_is_bounded() -> None:
    reason = reason_of(RuntimeError("x" * 10_000_000))
    assert len(reason) <= LONGEST_REASON
    assert reason.startswith("RuntimeError")


def test_a_password_at_the_end_of_what_is_read_is_not_cut_into_view() -> None:
    numbers = "0.1, " * 790
    for spaces in range(60):
        reason = reason_of(RuntimeError(f"{numbers}{' ' * spaces}redis://:hunter2@host"))
        assert "hunter" not in reason


def test_an_error_whose_message_cannot_be_made_has_a_reason() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise KeyError("no message")

    assert reason_of(MuteError()) == "MuteError: its message cannot be printed: KeyError"


@given(st.text(max_size=2000))
def test_any_message_makes_one_short_printable_line(message: str) -> None:
    reason = reason_of(RuntimeError(message))
    assert len(reason) <= LONGEST_REASON
    assert one_line(reason) == reason
    assert len(identity(reason).splitlines()) == 1


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("KeyError: 3", "KeyError: 17", True),
        ("RuntimeError: 0x7f3a at client-000003", "RuntimeError: 0x81bc at client-000014", True),
        ("OSError: tried to allocate 1.5 GiB", "OSError: tried to allocate 24 GiB", True),
        ("KeyError: deadbeef01", "KeyError: 0123456789ab", True),
        ("KeyError: 3", "IndexError: 3", False),
        ("OSError: no space", "OSError: no file", False),
    ],
)
def test_reasons_that_differ_in_numbers_only_are_of_one_kind(one: str, other: str, alike: bool) -> None:
    assert (identity(one) == identity(other)) is alike


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
