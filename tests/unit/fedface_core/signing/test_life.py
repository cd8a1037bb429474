"""The life that a step works for: nested, left when the block ends, and not that of another run."""

from __future__ import annotations

import pytest

from fedface_core.signing.life import OF_NO_LIFE, current_life, working_for


def test_a_block_has_a_life_and_outside_there_is_none() -> None:
    assert current_life() is None
    with working_for("first"):
        first = current_life()
        with working_for("second"):
            assert current_life() != first
        assert current_life() == first
    assert current_life() is None
    assert first is not None
    assert len(first) == len(OF_NO_LIFE)
    assert first != OF_NO_LIFE


def test_the_life_ends_with_an_error_too() -> None:
    with pytest.raises(KeyError), working_for("first"):
        raise KeyError
    assert current_life() is None
