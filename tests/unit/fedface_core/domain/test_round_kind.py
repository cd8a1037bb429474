"""Round 0 is enrolment, and no other round."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.round_kind import ENROLMENT_ROUND, RoundKind


def test_round_0_is_enrolment() -> None:
    assert RoundKind.of(0) is RoundKind.of(ENROLMENT_ROUND) is RoundKind.ENROLMENT


@given(st.integers(1))
def test_every_later_round_is_training(number: int) -> None:
    assert RoundKind.of(number) is RoundKind.TRAINING
