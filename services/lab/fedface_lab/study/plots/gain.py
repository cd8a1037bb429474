"""Plots of the arms' gains: by round, and against a numeric axis of the grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fedface_lab.study.gains import Gain
from fedface_lab.study.grid import grid_points
from fedface_lab.study.plots.style import Plot, add_legend_above, label_left_panels, line_style, make_panels
from fedface_lab.study.study_results import Group, StudyResults, metric_title, point_title

# An upper bound that gains more than this many times as much as the best other arm would flatten all other curves.
_FAR_ABOVE = 3.0
_MOST_MARKERS = 12  # a curve of more rounds has no markers


def plot_gain_per_round(results: StudyResults) -> Plot:
    """The gain from round 0 to each scored round: mean over seeds ± one standard error, with a panel for each grid point."""
    metric = results.study.metric
    drawn, omitted = _separate_far_upper_bound(results)
    shown = [point for point in grid_points(results.study) if any(group.point == point for group in drawn)]
    figure, panels = make_panels(len(shown), height=2.2)
    for axes, point in zip(panels, shown, strict=True):
        for group in drawn:
            if group.point == point:
                _draw_rounds(axes, results, group)
        _gain_axes(axes)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(x=0.02)
        axes.set_title(point_title(point), loc="left")
    figure.supxlabel("round", fontsize=8)
    label_left_panels(panels, f"gain in {metric_title(metric)}\n(percentage points)")
    add_legend_above(figure, panels)
    return Plot(
        figure,
        f"Gain in {metric_title(metric)} over the network of round 0, by round: mean over {_seeds(drawn)}, band: ± one "
        f"standard error of the paired gain.{_omitted_text(omitted, metric)}",
    )


def _draw_rounds(axes: Axes, results: StudyResults, group: Group) -> None:
    gains = {number: gain for number in group.scored_rounds if (gain := group.gain(results.study.metric, number))}
    means, errors = _means_and_errors(list(gains.values()))
    style = line_style(results.study, group.arm)
    low = [mean - error for mean, error in zip(means, errors, strict=True)]
    high = [mean + error for mean, error in zip(means, errors, strict=True)]
    axes.fill_between(list(gains), low, high, color=style.colour, alpha=0.15, linewidth=0)
    marker = style.marker if len(gains) <= _MOST_MARKERS else ""
    axes.plot(list(gains), means, style.line, color=style.colour, marker=marker, label=group.arm)


def numeric_axes(results: StudyResults) -> list[str]:
    """The axes of the grid that have several values, all of them numbers: a curve can be drawn along them."""
    return [
        field
        for field, values in results.study.grid.items()
        if len(values) > 1 and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    ]


def plot_gain_against(results: StudyResults, axis: str) -> Plot:
    """The last round's gain against the values of ``axis``: a line for each arm, a panel for each other point."""
    metric = results.study.metric
    drawn, omitted = _separate_far_upper_bound(results)
    titles = list(dict.fromkeys(_point_on_other_axes(group, axis) for group in drawn))
    figure, panels = make_panels(len(titles), height=2.2)
    for axes, title in zip(panels, titles, strict=True):
        for arm in results.study.arms:
            line = [group for group in drawn if group.arm == arm and _point_on_other_axes(group, axis) == title]
            _draw_against(axes, results, line, axis)
        _gain_axes(axes)
        axes.set_title(title, loc="left")
    values = sorted(results.study.grid[axis])
    if values[0] > 0 and values[-1] >= 8 * values[0]:
        panels[0].set_xscale("log")
    panels[0].set_xticks(values, [f"{value:g}" for value in values])
    panels[0].minorticks_off()
    figure.supxlabel(axis.split(".")[-1].replace("_", " "), fontsize=8)
    label_left_panels(panels, f"gain in {metric_title(metric)}\n(percentage points)")
    add_legend_above(figure, panels)
    return Plot(
        figure,
        f"Gain in {metric_title(metric)} after the last round, against {axis}: mean over {_seeds(drawn)}, bars: ± one "
        f"standard error of the paired gain.{_omitted_text(omitted, metric)}",
    )


def _draw_against(axes: Axes, results: StudyResults, line: Sequence[Group], axis: str) -> None:
    gains = {dict(group.point)[axis]: gain for group in line if (gain := group.gain(results.study.metric))}
    if not gains:
        return
    means, errors = _means_and_errors(list(gains.values()))
    style = line_style(results.study, line[0].arm)
    options: dict[str, Any] = {"color": style.colour, "linestyle": style.line, "marker": style.marker}
    axes.errorbar(list(gains), means, errors, elinewidth=0.7, capsize=1.8, label=line[0].arm, **options)


def _separate_far_upper_bound(results: StudyResults) -> tuple[list[Group], list[Group]]:
    """The groups to draw, and those of an upper bound that is so far above that the caption gives its gains instead."""

    def height(group: Group) -> float:
        gain = group.gain(results.study.metric)
        return abs(gain.gain.mean) if gain else 0.0

    groups = results.groups_with_results
    bound = results.study.upper_bound
    highest = max((height(group) for group in groups if group.arm != bound), default=float("inf"))
    far_above = [group for group in groups if group.arm == bound and height(group) > _FAR_ABOVE * highest]
    if len(far_above) < len([group for group in groups if group.arm == bound]):
        return list(groups), []
    return [group for group in groups if group.arm != bound], far_above


def _omitted_text(omitted: Sequence[Group], metric: str) -> str:
    texts = []
    for group in omitted:
        gain = group.gain(metric)
        assert gain is not None, "a group without a gain is not far above"
        error = "" if gain.gain.error is None else f" ± {100 * gain.gain.error:.1f}"
        texts.append(f"{group.title} {100 * gain.gain.mean:+.1f}{error}")
    return f" Too far above to be drawn: {'; '.join(texts)}." if texts else ""


def _gain_axes(axes: Axes) -> None:
    axes.axhline(0.0, color="#999999", linewidth=0.6, zorder=0)
    axes.grid(axis="y")


def _means_and_errors(gains: Sequence[Gain]) -> tuple[list[float], list[float]]:
    """The mean gains and their standard errors, in percentage points; the error of a single seed is 0."""
    return [100 * gain.gain.mean for gain in gains], [100 * (gain.gain.error or 0.0) for gain in gains]


def _point_on_other_axes(group: Group, axis: str) -> str:
    return point_title(tuple((field, value) for field, value in group.point if field != axis))


def _seeds(groups: Sequence[Group]) -> str:
    counts = sorted({len(group.results) for group in groups})
    number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return "one seed" if number == "1" else f"{number} seeds"
