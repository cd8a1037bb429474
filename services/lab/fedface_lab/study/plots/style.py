"""How plots look: one column of a paper wide, one colour an arm in all of them, nothing that carries no meaning."""

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

from fedface_lab.study.study_file import Study

COLUMN_INCHES: Final = 3.4
PAGE_INCHES: Final = 7.0
BEFORE: Final = "#c4c4c4"  # wide and pale, under what comes after: where both agree, both are seen
GENUINE, IMPOSTOR = "#0072B2", "#D55E00"

# Okabe and Ito's colours, told apart by colour-blind readers; a second round of them has another line style.
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
    "pdf.fonttype": 42,  # real fonts, as publishers want them
    "savefig.dpi": 200,
}


@dataclass(frozen=True)
class Plot:
    """A figure and what a paper would say under it."""

    figure: Figure
    caption: str


@dataclass(frozen=True)
class LineStyle:
    """How one arm is drawn."""

    colour: str
    line: str
    marker: str


def paper_style() -> AbstractContextManager[None]:
    """The context in which figures are drawn and saved."""
    return mpl.rc_context(_PAPER)  # type: ignore[arg-type]


def line_style(study: Study, arm: str) -> LineStyle:
    """The arm's own style, the same in all plots of the study."""
    if arm == study.upper_bound:
        return LineStyle(_UPPER, "--", "x")
    place = [name for name in study.arms if name != study.upper_bound].index(arm)
    turn = place // len(COLOURS)
    return LineStyle(COLOURS[place % len(COLOURS)], _LINES[turn % len(_LINES)], _MARKERS[place % len(_MARKERS)])


def label_left(every: Sequence[Axes], text: str) -> None:
    """The label of the vertical axis, at the left panel of each row."""
    for axes in every:
        place = axes.get_subplotspec()
        if place is not None and place.is_first_col():
            axes.set_ylabel(text)


def legend_above(figure: Figure, every: Sequence[Axes]) -> None:
    """One legend for all panels, which covers no data: each label once."""
    named = {label: handle for axes in every for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        named.values(), named.keys(), loc="outside upper left", ncols=3 if len(every) == 1 else 5, columnspacing=1.2
    )


def panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """Small multiples that share their axes: one is a column of a paper wide, several are a page."""
    wide = count if count <= 3 else 2 if count == 4 else 3
    rows = -(-count // wide)
    width = COLUMN_INCHES if wide == 1 else PAGE_INCHES * (1.0 if wide == 3 else 0.72)
    figure, grid = plt.subplots(
        rows, wide, figsize=(width, height * rows), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    every = list(grid.flat)
    for spare in every[count:]:
        spare.remove()
    for axes in every[count - wide : count]:
        axes.tick_params(labelbottom=True)
    return figure, every[:count]


def save(figure: Figure, path: Path) -> Path:
    """Write ``path``.png and ``path``.pdf; the PNG's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    png = path.with_name(path.name + ".png")
    figure.savefig(png)
    figure.savefig(path.with_name(path.name + ".pdf"), metadata={"CreationDate": None})
    plt.close(figure)
    return png
