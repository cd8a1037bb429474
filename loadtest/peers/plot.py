"""Plots the comparison: how long a round takes on each system."""

from __future__ import annotations

from pathlib import Path

from matplotlib import pyplot as plt

from fedface_core.files.whole_file import whole_file
from fedface_lab.study.plots.style import COLOURS, PAGE_INCHES, paper_style
from loadtest.peers.comparison import Comparison, SystemFigures
from loadtest.peers.systems import LIMITS, SYSTEMS

_ROW_INCHES = 0.32


def plot_comparison(comparison: Comparison, path: Path) -> None:
    """Write a PNG with a bar for each system (the median), a stroke for each repetition, and a dotted line.

    The line is the bare loop; the channels-last one only if the other was not measured.
    """
    systems = comparison.systems
    with paper_style():
        height = _ROW_INCHES * len(systems) + 0.8
        figure, axes = plt.subplots(figsize=(PAGE_INCHES, height), layout="constrained")
        positions = range(len(systems))
        axes.barh(
            positions, [system.round_seconds.median for system in systems], 0.62, color=[_colour(each) for each in systems]
        )
        for position, system in zip(positions, systems, strict=True):
            values = system.round_seconds.values
            axes.plot(values, [position] * len(values), "|", color="#333333", markersize=9)
            axes.annotate(
                f"{system.round_seconds.median:.3g} s",
                (max(values), position),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
        dotted = ""
        limits = {system.name: system for system in systems if system.name in LIMITS}
        if limits:
            limit = next(limits[name] for name in LIMITS if name in limits)
            axes.axvline(limit.round_seconds.median, color="#333333", linewidth=0.8, linestyle=":")
            dotted = f"; dotted: {SYSTEMS[limit.name].short_label}"
        axes.set_yticks(positions, [system.label for system in systems])
        axes.invert_yaxis()
        axes.set_xlabel(f"seconds a round of {comparison.clients} clients (bar: median; strokes: repetitions{dotted})")
        axes.margins(x=0.1)
        axes.set_xlim(left=0)
        axes.grid(axis="x")
        with whole_file(path) as written:
            figure.savefig(written, format=path.suffix[1:])
        plt.close(figure)


def _colour(system: SystemFigures) -> str:
    """Limits are grey, peers orange, systems of FedFace blue."""
    if system.name in LIMITS:
        return "#9a9a9a"
    return COLOURS[0] if system.name.startswith("ours") else COLOURS[1]
