"""Figures over several parts of a protocol."""

from __future__ import annotations

import numpy as np
import pytest

from fedface_learning.evaluation.bootstrap import draw_people
from fedface_learning.evaluation.figures import Figure, mean_figure, rate_figures
from fedface_learning.evaluation.trials import Trials

SCORES_P = np.array([0.9, 0.8, 0.3, 0.2])
GENUINE_P = np.array([True, False, True, False])
PEOPLE_P2 = np.array([[0, 0], [0, 1], [1, 1], [1, 2]])


def test_one_part_has_no_spread_and_two_have_their_standard_deviation() -> None:
    assert mean_figure([0.5], None) == Figure(0.5)
    mean = mean_figure([0.5, 0.7], None)
    assert mean.value == pytest.approx(0.6)
    assert mean.spread == pytest.approx(0.02**0.5)


def test_a_mean_is_unresolved_if_a_part_is() -> None:
    assert mean_figure([0.5, None], [np.array([0.5]), np.array([np.nan])]) == Figure(None)


def test_figures_are_named_by_kind_and_rate_and_have_intervals_only_if_people_are_known() -> None:
    named = Trials.of_pairs(SCORES_P, GENUINE_P, PEOPLE_P2)
    nameless = Trials.of_pairs(SCORES_P, GENUINE_P, None)
    times = draw_people(3, 50)
    figures = rate_figures("TAR at FAR", [named], (0.5, 0.1), times)
    assert list(figures) == ["TAR at FAR 5e-1", "TAR at FAR 1e-1"]
    assert figures["TAR at FAR 5e-1"].value == 1.0  # one impostor pair may be accepted, that at 0.8
    assert figures["TAR at FAR 5e-1"].interval is not None
    assert figures["TAR at FAR 1e-1"].value is None
    assert rate_figures("TAR at FAR", [named, nameless], (0.5,), times)["TAR at FAR 5e-1"].interval is None
    assert rate_figures("TAR at FAR", [named], (0.5,), None)["TAR at FAR 5e-1"].interval is None
