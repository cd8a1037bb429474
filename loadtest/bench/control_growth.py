"""How a round's time and control's memory grow with the number of clients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loadtest.bench.control_rounds import LoadFigures
from loadtest.bench.growth import Growth
from loadtest.bench.report import Column, Report, show

if TYPE_CHECKING:
    from rich.console import Console

OF_CONTROL = ("api", "control")


class ControlReport(Report):
    """What `fedface bench control` writes."""

    loads: tuple[LoadFigures, ...]
    growth: Growth | None
    """None of a single number of clients."""


def growth_of(loads: Sequence[LoadFigures]) -> Growth | None:
    """The fit over the median training round of each number of clients."""
    if len(loads) < 2:
        return None
    return Growth.of([load.clients for load in loads], [load.round_seconds for load in loads])


def show_growth(report: ControlReport, console: Console) -> None:
    """A row for each number of clients."""
    loads = report.loads
    columns = [
        Column(head="clients", cells=tuple(str(load.clients) for load in loads)),
        Column(head="round s", cells=tuple(f"{load.round_seconds:.2f}" for load in loads)),
        Column(head="updates/s", cells=tuple(f"{load.clients / load.round_seconds:.0f}" for load in loads)),
        Column(head="API p99 ms", cells=tuple(f"{load.api_ms['p99']:.1f}" for load in loads)),
    ]
    for name in OF_CONTROL:
        columns.append(Column(head=f"{name} MiB", cells=tuple(f"{load.peak_mib[name]:.1f}" for load in loads)))
    fit = "" if report.growth is None else f"; round time grows with clients to the power of {report.growth.exponent:.2f}"
    show(console, f"median training round{fit}", columns, report.machine)


def plot_growth(report: ControlReport, file: Path) -> None:
    """Round time on the left, both axes logarithmic, with the fit; peak memory of control's processes on the right."""
    from matplotlib import pyplot as plt

    from fedface_lab.study.plots.style import COLOURS, PAGE_INCHES, paper_style  # which takes a backend without a screen

    assert report.growth is not None, "checked before anything was measured"
    clients = [load.clients for load in report.loads]
    fitted = [report.growth.factor_seconds * number**report.growth.exponent for number in clients]
    with paper_style():
        figure, (times, memory) = plt.subplots(1, 2, figsize=(PAGE_INCHES, 2.4), layout="constrained")
        times.loglog(clients, fitted, color="#999999", label=f"fit: clients$^{{{report.growth.exponent:.2f}}}$")
        times.loglog(clients, [load.round_seconds for load in report.loads], "o", color=COLOURS[0], label="measured")
        times.set_ylabel("median round (s)")
        for name, colour in zip(OF_CONTROL, COLOURS, strict=False):
            memory.semilogx(clients, [load.peak_mib[name] for load in report.loads], "o-", color=colour, label=name)
        memory.set_ylim(bottom=0)
        memory.set_ylabel("peak memory (MiB)")
        for axes in (times, memory):
            axes.set_xlabel("clients")
            axes.grid(visible=True)
            axes.legend()
        figure.savefig(file)
        plt.close(figure)
