"""The reaper's account of process groups."""

from __future__ import annotations

from fedface_stack.reaper import groups_left


def test_the_reaper_keeps_account_of_the_groups() -> None:
    assert groups_left(["+10\n", "+11\n", "-10\n", "+12\n"]) == {11, 12}


def test_a_group_that_was_reaped_and_started_again_is_left() -> None:
    assert groups_left(["+10\n", "-10\n", "+10\n"]) == {10}
    assert groups_left([]) == set()
