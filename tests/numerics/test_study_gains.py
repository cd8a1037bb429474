"""A study's statistics: paired gains against SciPy, and by hand."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedface_lab.study.gains import Estimate, paired_gain, recovered_share

SHARES = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)


@given(st.lists(st.tuples(SHARES, SHARES), min_size=2, max_size=12))
def test_a_paired_gain_is_scipys(pairs: list[tuple[float, float]]) -> None:
    before, after = [list(values) for values in zip(*pairs, strict=True)]
    differences = [late - early for early, late in pairs]
    gain = paired_gain(before, after)
    assert gain is not None
    assert gain.gain.mean == pytest.approx(sum(after) / len(after) - sum(before) / len(before), abs=1e-12)
    assert gain.before.error == pytest.approx(statistics.stdev(before) / math.sqrt(len(before)), abs=1e-12)
    assert gain.after.error == pytest.approx(statistics.stdev(after) / math.sqrt(len(after)), abs=1e-12)
    assert gain.interval is not None
    if max(differences) - min(differences) > 1e-9:
        expected = stats.ttest_rel(after, before).confidence_interval(0.95)
        assert gain.interval == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert gain.better == sum(late > early for early, late in pairs)


def test_a_gain_by_hand() -> None:
    gain = paired_gain([0.1, 0.2, 0.3], [0.2, 0.2, 0.5])
    assert gain is not None
    assert (gain.gain.mean, gain.gain.error) == pytest.approx((0.1, 0.1 / math.sqrt(3)))
    assert gain.interval == pytest.approx((0.1 - 4.302653 * 0.1 / math.sqrt(3), 0.1 + 4.302653 * 0.1 / math.sqrt(3)))
    assert (gain.better, gain.seeds) == (2, 3)
    worse = paired_gain([0.1, 0.2, 0.3], [0.2, 0.2, 0.5], lower_is_better=True)
    assert worse is not None
    assert worse.better == 0


def test_one_seed_has_no_error_and_no_seed_no_gain() -> None:
    gain = paired_gain([0.25], [0.5])
    assert gain is not None
    assert gain.gain == Estimate(0.25, None)
    assert gain.interval is None
    assert paired_gain([], []) is None


def test_the_recovered_share_is_of_the_means() -> None:
    assert recovered_share([0.2, 0.4], [0.3, 0.5], [0.6, 0.8]) == pytest.approx(0.25)
    assert recovered_share([0.2], [0.1], [0.3]) == pytest.approx(-1.0)
    assert recovered_share([0.2], [0.1], [0.0], lower_is_better=True) == pytest.approx(0.5)
    assert recovered_share([0.2], [0.1], [0.0]) is None, "nothing to recover"
    assert recovered_share([0.2], [0.1], [0.2]) is None
    assert recovered_share([], [], []) is None
