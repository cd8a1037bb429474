"""The reason of a failure is short, shows no secret and no class embedding, and is of one kind with reasons like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.free_text import one_line
from fedface_core.domain.reasons import LONGEST_REASON, identity, reason_of


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
