"""ROC curves before and after training, with a panel for each arm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import PercentFormatter

from fedface_lab.study.job_results import Snapshot
from fedface_lab.study.plots.style import BEFORE, Plot, label_left_panels, line_style, make_panels
from fedface_lab.study.study_results import Group, StudyResults, point_title

_POINTS = 400


def plot_roc(results: StudyResults, groups: Sequence[Group]) -> Plot:
    """TAR, as the mean over seeds, against FAR on a logarithmic axis, because the curves differ at low rates."""
    figure, panels = make_panels(len(groups), height=2.1)
    lowest = 1.0 / min(_impostor_pairs(group) for group in groups)
    rates = np.geomspace(lowest, 1.0, _POINTS)
    for axes, group in zip(panels, groups, strict=True):
        style = line_style(results.study, group.arm)
        job_results = group.results.values()
        before, after = (_mean_tar(rates, [getattr(result, when) for result in job_results]) for when in ("before", "after"))
        axes.plot(rates, before, color=BEFORE, linewidth=2.6, solid_capstyle="butt", label="before")
        axes.plot(rates, after, color=style.colour, linewidth=1.0, label="after")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
        axes.grid()
        axes.set_title(group.arm, loc="left")
        axes.legend(loc="upper left")
    panels[0].set_xscale("log")
    panels[0].set_xlim(lowest, 1.0)
    panels[0].set_ylim(top=1.005)  # last, so that the lower limit includes all curves
    figure.supxlabel("false accept rate (FAR)", fontsize=8)
    label_left_panels(panels, "true accept rate (TAR, %)")
    seeds = max(len(group.results) for group in groups)
    where = f", {point_title(groups[0].point)}" if groups[0].point else ""
    return Plot(
        figure,
        f"ROC before the first and after the last round{where}, on {_impostor_pairs(groups[0]):,} impostor pairs of unseen "
        f"people; TAR is averaged over seeds (at most {seeds}) at each FAR. The axis ends at one false accept.",
    )


def _impostor_pairs(group: Group) -> int:
    return min(result.rounds[0].scores.impostor_pairs for result in group.results.values() if result.rounds[0].scores)


def _mean_tar(rates: npt.NDArray[np.float64], snapshots: Sequence[Snapshot]) -> npt.NDArray[np.float64]:
    """The mean of the curves' TAR at each rate: a curve's TAR is that of its last point whose FAR is at most the rate."""
    curves = [
        np.asarray(snapshot.roc.tar)[np.searchsorted(snapshot.roc.far, rates * (1 + 1e-9), side="right") - 1]
        for snapshot in snapshots
    ]
    return np.asarray(np.mean(curves, axis=0))
