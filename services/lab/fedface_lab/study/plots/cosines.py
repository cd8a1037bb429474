"""Histograms of genuine and impostor cosines before and after training, with a panel for each arm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fedface_lab.study.plots.style import GENUINE, IMPOSTOR, Plot, make_panels
from fedface_lab.study.study_results import Group, point_title

_BINS_PER_BAR = 2  # a result has 200 bins; 100 bars are fine enough, and smoother if there are few test pairs


def plot_cosines(groups: Sequence[Group]) -> Plot:
    """Densities of the cosines of all test pairs of all seeds: outlined before the first round, filled after the last."""
    figure, panels = make_panels(len(groups), height=1.9)
    for axes, group in zip(panels, groups, strict=True):
        for kind, colour in (("impostor", IMPOSTOR), ("genuine", GENUINE)):
            before = _density([getattr(result.before.cosines, kind) for result in group.results.values()])
            after = _density([getattr(result.after.cosines, kind) for result in group.results.values()])
            edges = np.linspace(-1.0, 1.0, len(after) + 1)
            axes.stairs(after, edges, fill=True, color=colour, alpha=0.35, linewidth=0)
            axes.stairs(before, edges, color=colour, linewidth=0.9)
        axes.set_title(group.arm, loc="left")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    panels[0].set_xlim(*_cosine_range(groups))
    panels[0].set_ylim(bottom=0.0)
    handles = [
        Patch(facecolor=GENUINE, alpha=0.35, label="genuine, after"),
        Line2D([], [], color=GENUINE, linewidth=0.9, label="before"),
        Patch(facecolor=IMPOSTOR, alpha=0.35, label="impostor, after"),
        Line2D([], [], color=IMPOSTOR, linewidth=0.9, label="before"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, columnspacing=1.0)
    figure.supxlabel("cosine of two images", fontsize=8)
    where = f", {point_title(groups[0].point)}" if groups[0].point else ""
    return Plot(
        figure,
        f"Cosines of genuine and impostor pairs of unseen people{where}; densities over all pairs of all seeds, before the "
        "first round (lines) and after the last (filled).",
    )


def _density(counts: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
    summed = np.sum(np.asarray(counts, dtype=np.float64), axis=0).reshape(-1, _BINS_PER_BAR).sum(axis=1)
    return np.asarray(summed / (summed.sum() * 2.0 / len(summed)))


def _cosine_range(groups: Sequence[Group]) -> tuple[float, float]:
    """The range of cosines that leaves out at most a thousandth of the pairs of a result at either end."""
    lows = []
    highs = []
    for group in groups:
        for result in group.results.values():
            for counts in (result.before.cosines, result.after.cosines):
                for kind in (counts.genuine, counts.impostor):
                    share = np.cumsum(kind) / np.sum(kind)
                    lows.append(np.searchsorted(share, 0.001) / len(kind))
                    highs.append((np.searchsorted(share, 0.999) + 1) / len(kind))
    return 2.0 * float(min(lows)) - 1.0, 2.0 * float(max(highs)) - 1.0
