"""Clipping by the median: the bound of a round, and which partials it changes."""

from __future__ import annotations

import pytest

from fedface_core.domain.plan import Plan
from fedface_learning.aggregation.median_clipping import clips_by_median, median_bound, must_be_clipped
from support.small_networks import small_plan


def plan(clipping: dict[str, object] | None) -> Plan:
    return small_plan(aggregation={} if clipping is None else {"clipping": clipping})


MEDIAN = plan({"name": "median", "times": 2.0})
OTHERS = [plan(None), plan({"name": "norm", "norm": 1.0})]


def test_only_a_plan_with_the_median_clips_by_it() -> None:
    assert [clips_by_median(one) for one in (MEDIAN, *OTHERS)] == [True, False, False]
    assert [median_bound(one, {"a": 1.0}) for one in OTHERS] == [None, None]


@pytest.mark.parametrize(
    ("norms", "bound"),
    [([3.0], 6.0), ([1.0, 100.0], 2.0), ([1.0, 2.0, 100.0], 4.0), ([4.0, 1.0, 3.0, 2.0], 4.0), ([0.0, 0.0, 5.0], 0.0)],
)
def test_the_bound_is_a_multiple_of_the_lower_median(norms: list[float], bound: float) -> None:
    """One attacker, of two clients or of more, does not set its own bound."""
    assert median_bound(MEDIAN, {str(index): norm for index, norm in enumerate(norms)}) == bound


def test_a_round_without_an_update_has_no_bound() -> None:
    assert median_bound(MEDIAN, {}) is None


@pytest.mark.parametrize(
    ("norms", "bound", "must"),
    [([1.0, 2.0], 2.0, False), ([1.0, 2.1], 2.0, True), ([], 2.0, False), ([1e9], None, False), ([0.1], 0.0, True)],
)
def test_a_partial_changes_if_one_of_its_updates_is_beyond_the_bound(
    norms: list[float], bound: float | None, must: bool
) -> None:
    assert must_be_clipped({str(index): norm for index, norm in enumerate(norms)}, bound) is must
