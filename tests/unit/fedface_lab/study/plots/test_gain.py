"""Gains are drawn where they are: along a grid, at the numbers of the arms, not flattened by an upper bound far above."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib import pyplot as plt

from fedface_core.domain.results import Scores
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.plots.gain import numeric_axes, plot_gain_against, plot_gain_of_arms, plot_gain_per_round
from fedface_lab.study.study_results import Group, load_results
from support.finished_study import Finished


def test_an_upper_bound_far_above_is_told_instead_of_drawn(finished: Finished) -> None:
    results = load_results(ResultFolder(finished.folder))
    raised = replace(results, groups=tuple(_raised(group, 0.3 if group.arm == "long" else 0.02) for group in results.groups))
    level = replace(results, groups=tuple(_raised(group, 0.02) for group in results.groups))
    for plotted in (plot_gain_per_round, lambda shown: plot_gain_against(shown, "split.clients")):
        told = plotted(raised)
        drawn = plotted(level)
        assert told.caption.endswith("Too far above to be drawn: long, clients 2 +30.0 ± 0.0; long, clients 4 +30.0 ± 0.0.")
        assert "Too far" not in drawn.caption
        for plot, arms in ((told, ["fedface", "no spreadout"]), (drawn, ["fedface", "no spreadout", "long"])):
            assert [text.get_text() for text in plot.figure.legends[0].get_texts()] == arms
            assert max(axes.get_ylim()[1] for axes in plot.figure.axes) < 4
            plt.close(plot.figure)


def test_curves_are_drawn_along_numbers_only(finished: Finished) -> None:
    results = load_results(ResultFolder(finished.folder))
    grid = {"split.clients": (2, 4), "rounds": (3,), "spreadout.steps": (True, False), "model.architecture": ("a", "b")}
    assert numeric_axes(replace(results, study=results.study.model_copy(update={"grid": grid}))) == ["split.clients"]


def test_each_arm_is_a_point_at_its_number_and_one_line_joins_them_in_order(finished: Finished) -> None:
    results = load_results(ResultFolder(finished.folder))
    sizes = {"fedface": 20, "no spreadout": 5, "long": 10}
    study = results.study.model_copy(update={"arms": {arm: {"cohort": {"size": size}} for arm, size in sizes.items()}})
    falling = {arm: 1 / size for arm, size in sizes.items()}
    groups = tuple(_raised(group, falling[group.arm] if group.point[0][1] == 2 else 0.1) for group in results.groups)
    plot = plot_gain_of_arms(replace(results, study=study, groups=groups), "cohort.size")
    assert "against cohort.size, with a point for each arm: mean over 2 seeds" in plot.caption
    drawn = [next(line for line in axes.lines if line.get_marker() == "o").get_xydata() for axes in plot.figure.axes]
    expected = [[(5, 20), (10, 10), (20, 5)], [(5, 10), (10, 10), (20, 10)]]
    for points, wanted in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(np.asarray(points), wanted)
    plt.close(plot.figure)


def _raised(group: Group, gain: float) -> Group:
    """The group with every result's gain in TAR@5e-1 set."""
    results = {}
    for seed, result in group.results.items():
        rounds = tuple(
            finished.model_copy(update={"scores": finished.scores and _with_tar(finished.scores, 0.4 + gain * (number > 0))})
            for number, finished in enumerate(result.rounds)
        )
        results[seed] = result.model_copy(update={"rounds": rounds})
    return replace(group, results=results)


def _with_tar(scores: Scores, tar: float) -> Scores:
    return scores.model_copy(update={"tar": {"5e-1": tar, "1e-3": None}})
