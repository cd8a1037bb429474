"""How reports, metrics and tables name a false accept rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.results import far_label


@pytest.mark.parametrize(
    ("far", "label"),
    [(0.1, "1e-1"), (0.01, "1e-2"), (1e-3, "1e-3"), (1e-4, "1e-4"), (0.05, "5e-2"), (0.5, "5e-1"), (2.5e-5, "2.5e-5")],
)
def test_a_false_accept_rate_is_named_as_in_tables(far: float, label: str) -> None:
    assert far_label(far) == label


@given(st.floats(1e-6, 0.999))
def test_a_label_reads_back_as_its_rate(far: float) -> None:
    assert float(far_label(far)) == pytest.approx(far, rel=1e-5)
