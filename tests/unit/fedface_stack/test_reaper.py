"""Which process groups the reaper kills."""

from __future__ import annotations

from fedface_stack.reaper import groups_left


def test_groups_that_were_started_and_not_reaped_are_left() -> None:
    assert groups_left(["+10\n", "+11\n", "-10\n", "+12\n"]) == {11, 12}


def test_a_group_that_was_reaped_and_started_again_is_left() -> None:
    assert groups_left(["+10\n", "-10\n", "+10\n"]) == {10}
    assert groups_left([]) == set()
