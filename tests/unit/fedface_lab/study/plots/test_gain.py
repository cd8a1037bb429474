"""An upper bound far above the other arms must not flatten their curves."""

from __future__ import annotations

from dataclasses import replace

from matplotlib import pyplot as plt

from fedface_core.domain.results import Scores
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.plots.gain import numeric_axes, plot_gain_against, plot_gain_per_round
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
