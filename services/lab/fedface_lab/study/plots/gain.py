"""Plots of the arms' gains: by round, against a numeric axis of the grid, and against a number in which the arms differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fedface_lab.study.gains import Gain
from fedface_lab.study.grid import grid_points
from fedface_lab.study.plots.style import (
    COLOURS,
    LineStyle,
    Plot,
    add_legend_above,
    label_left_panels,
    line_style,
    make_panels,
)
from fedface_lab.study.study_file import is_number, leaves
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
    return [field for field, values in results.study.grid.items() if len(values) > 1 and all(map(is_number, values))]


def plot_gain_against(results: StudyResults, axis: str) -> Plot:
    """The last round's gain against the values of ``axis``: a line for each arm, a panel for each other point."""
    metric = results.study.metric
    drawn, omitted = _separate_far_upper_bound(results)
    titles = list(dict.fromkeys(_point_on_other_axes(group, axis) for group in drawn))
    figure, panels = make_panels(len(titles), height=2.2)
    for axes, title in zip(panels, titles, strict=True):
        for arm in results.study.arms:
            of_arm = [group for group in drawn if group.arm == arm and _point_on_other_axes(group, axis) == title]
            line = {dict(group.point)[axis]: group for group in of_arm}
            _draw_against(axes, metric, line, line_style(results.study, arm), arm)
        _gain_axes(axes)
        axes.set_title(title, loc="left")
    _label_values(figure, panels, axis.split(".")[-1], results.study.grid[axis])
    label_left_panels(panels, f"gain in {metric_title(metric)}\n(percentage points)")
    add_legend_above(figure, panels)
    return Plot(
        figure,
        f"Gain in {metric_title(metric)} after the last round, against {axis}: mean over {_seeds(drawn)}, bars: ± one "
        f"standard error of the paired gain.{_omitted_text(omitted, metric)}",
    )


def plot_gain_of_arms(results: StudyResults, field: str) -> Plot:
    """The last round's gain against ``field``, which every arm sets to another number: a point for each arm.

    One line joins them, in a panel for each grid point.
    """
    metric = results.study.metric
    numbers = {arm: dict(leaves(changes))[field] for arm, changes in results.study.arms.items()}
    groups = results.groups_with_results
    shown = [point for point in grid_points(results.study) if any(group.point == point for group in groups)]
    figure, panels = make_panels(len(shown), height=2.2)
    for axes, point in zip(panels, shown, strict=True):
        line = {numbers[group.arm]: group for group in results.groups_at(point)}
        _draw_against(axes, metric, line, LineStyle(COLOURS[0], "-", "o"), label=None)
        _gain_axes(axes)
        axes.set_title(point_title(point), loc="left")
    _label_values(figure, panels, field.replace(".", " "), list(numbers.values()))
    label_left_panels(panels, f"gain in {metric_title(metric)}\n(percentage points)")
    return Plot(
        figure,
        f"Gain in {metric_title(metric)} after the last round, against {field}, with a point for each arm: mean over "
        f"{_seeds(groups)}, bars: ± one standard error of the paired gain.",
    )


def _draw_against(axes: Axes, metric: str, line: Mapping[float, Group], style: LineStyle, label: str | None) -> None:
    """Draw the last gain of each group at its number, joined from the smallest number to the largest."""
    gains = {number: gain for number in sorted(line) if (gain := line[number].gain(metric))}
    if not gains:
        return
    means, errors = _means_and_errors(list(gains.values()))
    options: dict[str, Any] = {"color": style.colour, "linestyle": style.line, "marker": style.marker}
    axes.errorbar(list(gains), means, errors, elinewidth=0.7, capsize=1.8, label=label, **options)


def _label_values(figure: Figure, panels: Sequence[Axes], name: str, numbers: Sequence[float]) -> None:
    """Name the shared horizontal axis, and mark it at the ``numbers``; it is logarithmic if they lie far apart."""
    ticks = sorted(numbers)
    if ticks[0] > 0 and ticks[-1] >= 8 * ticks[0]:
        panels[0].set_xscale("log")
    panels[0].set_xticks(ticks, [f"{number:g}" for number in ticks])
    panels[0].minorticks_off()
    figure.supxlabel(name.replace("_", " "), fontsize=8)


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
