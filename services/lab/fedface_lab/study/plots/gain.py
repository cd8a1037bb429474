"""What arms gain: round by round, and against a numeric axis of the grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fedface_lab.study.gains import Gain
from fedface_lab.study.grid import points
from fedface_lab.study.outcomes import Group, Outcomes, metric_title, point_title
from fedface_lab.study.plots.style import Plot, label_left, legend_above, line_style, panels

# An upper bound that gains more than so many times what the best other arm does would press all curves flat.
_TOWERING = 3.0
_MARKED_ROUNDS = 12  # up to so many, each has a marker


def plot_gain_per_round(outcomes: Outcomes) -> Plot:
    """The gain from round 0 to each scored round, a panel for each grid point: mean over seeds ± one standard error."""
    metric = outcomes.study.metric
    drawn, towering = _without_towering(outcomes)
    shown = [point for point in points(outcomes.study) if any(group.point == point for group in drawn)]
    figure, every = panels(len(shown), height=2.2)
    for axes, point in zip(every, shown, strict=True):
        for group in drawn:
            if group.point == point:
                _draw_rounds(axes, outcomes, group)
        _gain_axes(axes)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(x=0.02)
        axes.set_title(point_title(point), loc="left")
    figure.supxlabel("round", fontsize=8)
    label_left(every, f"gain in {metric_title(metric)}\n(percentage points)")
    legend_above(figure, every)
    return Plot(
        figure,
        f"Gain in {metric_title(metric)} over the network of round 0, by round: mean over {_seeds(drawn)}, band: ± one "
        f"standard error of the paired gain.{_said(towering, metric)}",
    )


def _draw_rounds(axes: Axes, outcomes: Outcomes, group: Group) -> None:
    gains = {number: gain for number in group.scored if (gain := group.gain(outcomes.study.metric, number))}
    means, errors = _means_errors(list(gains.values()))
    style = line_style(outcomes.study, group.arm)
    low, high = (
        [mean - error for mean, error in zip(means, errors, strict=True)],
        [mean + error for mean, error in zip(means, errors, strict=True)],
    )
    axes.fill_between(list(gains), low, high, color=style.colour, alpha=0.15, linewidth=0)
    marker = style.marker if len(gains) <= _MARKED_ROUNDS else ""
    axes.plot(list(gains), means, style.line, color=style.colour, marker=marker, label=group.arm)


def numeric_axes(outcomes: Outcomes) -> list[str]:
    """The axes of the grid along which a curve can be drawn."""
    return [
        field
        for field, values in outcomes.study.grid.items()
        if len(values) > 1 and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    ]


def plot_gain_against(outcomes: Outcomes, axis: str) -> Plot:
    """The last round's gain at each value of ``axis``: a line an arm, a panel for each point on the other axes."""
    metric = outcomes.study.metric
    drawn, towering = _without_towering(outcomes)
    titles = list(dict.fromkeys(_elsewhere(group, axis) for group in drawn))
    figure, every = panels(len(titles), height=2.2)
    for axes, title in zip(every, titles, strict=True):
        for arm in outcomes.study.arms:
            line = [group for group in drawn if group.arm == arm and _elsewhere(group, axis) == title]
            _draw_against(axes, outcomes, line, axis)
        _gain_axes(axes)
        axes.set_title(title, loc="left")
    values = sorted(outcomes.study.grid[axis])
    if values[0] > 0 and values[-1] >= 8 * values[0]:
        every[0].set_xscale("log")
    every[0].set_xticks(values, [f"{value:g}" for value in values])
    every[0].minorticks_off()
    figure.supxlabel(axis.split(".")[-1].replace("_", " "), fontsize=8)
    label_left(every, f"gain in {metric_title(metric)}\n(percentage points)")
    legend_above(figure, every)
    return Plot(
        figure,
        f"Gain in {metric_title(metric)} after the last round, against {axis}: mean over {_seeds(drawn)}, bars: ± one "
        f"standard error of the paired gain.{_said(towering, metric)}",
    )


def _draw_against(axes: Axes, outcomes: Outcomes, line: Sequence[Group], axis: str) -> None:
    gains = {dict(group.point)[axis]: gain for group in line if (gain := group.gain(outcomes.study.metric))}
    if not gains:
        return
    means, errors = _means_errors(list(gains.values()))
    style = line_style(outcomes.study, line[0].arm)
    looks: dict[str, Any] = {"color": style.colour, "linestyle": style.line, "marker": style.marker}
    axes.errorbar(list(gains), means, errors, elinewidth=0.7, capsize=1.8, label=line[0].arm, **looks)


def _without_towering(outcomes: Outcomes) -> tuple[list[Group], list[Group]]:
    """The groups to draw, and those of an upper bound so far above that it is told instead of drawn."""

    def height(group: Group) -> float:
        gain = group.gain(outcomes.study.metric)
        return abs(gain.gain.mean) if gain else 0.0

    groups, bound = outcomes.with_results, outcomes.study.upper_bound
    highest = max((height(group) for group in groups if group.arm != bound), default=float("inf"))
    towering = [group for group in groups if group.arm == bound and height(group) > _TOWERING * highest]
    if len(towering) < len([group for group in groups if group.arm == bound]):
        return list(groups), []
    return [group for group in groups if group.arm != bound], towering


def _said(towering: Sequence[Group], metric: str) -> str:
    told = []
    for group in towering:
        gain = group.gain(metric)
        assert gain is not None, "it could not tower otherwise"
        error = "" if gain.gain.error is None else f" ± {100 * gain.gain.error:.1f}"
        told.append(f"{group.title} {100 * gain.gain.mean:+.1f}{error}")
    return f" Too far above to be drawn: {'; '.join(told)}." if told else ""


def _gain_axes(axes: Axes) -> None:
    axes.axhline(0.0, color="#999999", linewidth=0.6, zorder=0)
    axes.grid(axis="y")


def _means_errors(gains: Sequence[Gain]) -> tuple[list[float], list[float]]:
    """In percentage points; no error for a single seed."""
    return [100 * gain.gain.mean for gain in gains], [100 * (gain.gain.error or 0.0) for gain in gains]


def _elsewhere(group: Group, axis: str) -> str:
    """Where the group is on the other axes."""
    return point_title(tuple((field, value) for field, value in group.point if field != axis))


def _seeds(groups: Sequence[Group]) -> str:
    counts = sorted({len(group.results) for group in groups})
    number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return "one seed" if number == "1" else f"{number} seeds"
