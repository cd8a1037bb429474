"""How a round's time and the memory of control's processes grow with the number of clients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fedface_core.files.whole_file import whole_file
from loadtest.bench.control_rounds import LoadFigures
from loadtest.bench.power_law import PowerLaw
from loadtest.bench.report import BenchmarkReport, Column, show_table

if TYPE_CHECKING:
    from rich.console import Console

CONTROL_PROCESSES = ("control", "sweep")


class ControlReport(BenchmarkReport):
    """What `fedface bench control` reports."""

    loads: tuple[LoadFigures, ...]
    growth: PowerLaw | None
    """The seconds of a round over the number of clients; None if only one number was measured."""


def fit_growth(loads: Sequence[LoadFigures]) -> PowerLaw | None:
    """Fit the median training round of each number of clients. None of a single number."""
    if len(loads) < 2:
        return None
    return PowerLaw.fit([load.clients for load in loads], [load.round_seconds for load in loads])


def show_growth(report: ControlReport, console: Console) -> None:
    """Print a table with one row for each number of clients."""
    loads = report.loads
    columns = [
        Column(head="clients", cells=tuple(str(load.clients) for load in loads)),
        Column(head="round s", cells=tuple(f"{load.round_seconds:.2f}" for load in loads)),
        Column(head="updates/s", cells=tuple(f"{load.clients / load.round_seconds:.0f}" for load in loads)),
        Column(head="API p99 ms", cells=tuple(f"{load.api_ms['p99']:.1f}" for load in loads)),
    ]
    for name in CONTROL_PROCESSES:
        columns.append(Column(head=f"{name} MiB", cells=tuple(f"{load.peak_mib[name]:.1f}" for load in loads)))
    fit = "" if report.growth is None else f"; round time grows with clients to the power of {report.growth.exponent:.2f}"
    show_table(console, f"median training round{fit}", columns, report.machine)


def plot_growth(report: ControlReport, file: Path) -> None:
    """Plot round time with the fit on logarithmic axes (left), and the peak memory of control's processes (right)."""
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
        for name, colour in zip(CONTROL_PROCESSES, COLOURS, strict=False):
            memory.semilogx(clients, [load.peak_mib[name] for load in report.loads], "o-", color=colour, label=name)
        memory.set_ylim(bottom=0)
        memory.set_ylabel("peak memory (MiB)")
        for axes in (times, memory):
            axes.set_xlabel("clients")
            axes.grid(visible=True)
            axes.legend()
        with whole_file(file) as written:
            figure.savefig(written, format=file.suffix[1:])
        plt.close(figure)
