"""The look of all plots: sizes and fonts for a paper, and a colour for each arm that is equal in all plots."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedface_core.files.whole_file import whole_file
from fedface_lab.study.study_file import Study

COLUMN_INCHES: Final = 3.4
PAGE_INCHES: Final = 7.0
BEFORE: Final = "#c4c4c4"  # drawn wide and pale below the curve of after, so that both are seen if they are equal
GENUINE: Final = "#0072B2"
IMPOSTOR: Final = "#D55E00"

# Okabe and Ito's colours, which colour-blind readers can tell apart. If there are more arms, the line style changes too.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS: Final = ("o", "s", "^", "D", "v", "P")
_LINES: Final = ("-", ":", "-.")
_UPPER: Final = "#333333"

_PAPER: Final = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.4,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.2,
    "pdf.fonttype": 42,  # embeds TrueType fonts, as publishers require
    "savefig.dpi": 200,
}


@dataclass(frozen=True)
class Plot:
    """A figure and its caption."""

    figure: Figure
    caption: str


@dataclass(frozen=True)
class LineStyle:
    """The colour, line and marker of an arm."""

    colour: str
    line: str
    marker: str


def paper_style() -> AbstractContextManager[None]:
    """A context manager that sets matplotlib's style; figures are drawn and saved within it."""
    return mpl.rc_context(_PAPER)  # type: ignore[arg-type]


def line_style(study: Study, arm: str) -> LineStyle:
    """The style of the arm, which is equal in all plots of the study. The upper bound is grey and dashed."""
    if arm == study.upper_bound:
        return LineStyle(_UPPER, "--", "x")
    place = [name for name in study.arms if name != study.upper_bound].index(arm)
    line = _LINES[place // len(COLOURS) % len(_LINES)]
    return LineStyle(COLOURS[place % len(COLOURS)], line, _MARKERS[place % len(_MARKERS)])


def label_left_panels(panels: Sequence[Axes], text: str) -> None:
    """Label the vertical axis at the left panel of each row."""
    for axes in panels:
        place = axes.get_subplotspec()
        if place is not None and place.is_first_col():
            axes.set_ylabel(text)


def add_legend_above(figure: Figure, panels: Sequence[Axes]) -> None:
    """Add one legend for all panels above them, with each label once, in as many columns as fit: long names need fewer."""
    named = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    for columns in range(3 if len(panels) == 1 else 5, 0, -1):
        legend = figure.legend(named.values(), named.keys(), loc="outside upper left", ncols=columns, columnspacing=1.2)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def make_panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels with shared axes; one panel is as wide as a paper's column, several as its page.

    ``height`` is that of a row, in inches.
    """
    columns = count if count <= 3 else 2 if count == 4 else 3
    rows = -(-count // columns)
    width = COLUMN_INCHES if columns == 1 else PAGE_INCHES * (1.0 if columns == 3 else 0.72)
    figure, grid = plt.subplots(
        rows, columns, figsize=(width, height * rows), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    panels = list(grid.flat)
    for spare in panels[count:]:
        spare.remove()
    for axes in panels[count - columns : count]:
        axes.tick_params(labelbottom=True)
    return figure, panels[:count]


def save(figure: Figure, path: Path) -> Path:
    """Write the figure to ``path``.png and ``path``.pdf, close it, and return the PNG's path."""
    png = path.with_name(path.name + ".png")
    with whole_file(png) as file:
        figure.savefig(file, format="png")
    with whole_file(path.with_name(path.name + ".pdf")) as file:
        figure.savefig(file, format="pdf", metadata={"CreationDate": None})
    plt.close(figure)
    return png
