"""`fedface bench control`: rounds of many no-op clients through a whole local stack."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_stack.up import Artifacts

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.bench.control_rounds import LoadFigures


class Delivery(StrEnum):
    """How clients deliver their updates."""

    SINGLE = "single"
    COMBINED = "combined"


@with_json
def control(
    clients: Annotated[int, typer.Option(min=1, help="Clients, all of them in every cohort.")] = 10_000,
    growth: Annotated[
        str | None, typer.Option(metavar="N,N,…", help="Measure each of these numbers of clients, and fit the exponent.")
    ] = None,
    artifacts: Annotated[
        Artifacts, typer.Option(help="Artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.DIRECTORY,
    delivery: Annotated[
        Delivery, typer.Option(help="The plan's delivery: an update of each client, or one of all that a worker trains.")
    ] = Delivery.SINGLE,
    at_once: Annotated[
        int, typer.Option(min=1, max=1000, help="The plan's vectorised_clients: so many clients train at once.")
    ] = 1,
    limit_seconds: Annotated[float, typer.Option(min=1, help="Give a run up if it takes longer than this.")] = 900.0,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Plot the growth to this PNG or PDF.")
    ] = None,
) -> None:
    """Run enrolment and three rounds of clients that do not train, and report where the time goes.

    So only the broker, the ledger, the store and the services are measured: updates a second, the time to open a round and
    to go on to the next one, the API's latency during the run, CPU time and memory of each process.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_core.domain.errors import InvalidInputError
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.control_growth import ControlReport, fit_growth, plot_growth, show_growth
    from loadtest.bench.control_rounds import measure_rounds
    from loadtest.bench.machine import this_machine
    from loadtest.bench.report import check_plot_file, print_report

    exit_on_termination()
    sizes = [clients] if growth is None else _parse_growth(growth)
    if plot_file is not None and len(sizes) < 2:
        raise InvalidInputError("--plot shows growth: give --growth with two or more numbers of clients, such as 100,1000")
    check_plot_file("--plot", plot_file)
    console = talk_console()
    machine = this_machine()
    measured = []
    for size in sizes:
        with console.status(f"{size} clients"):
            measured.append(measure_rounds(size, artifacts.value, limit_seconds, delivery.value, at_once))
        _show(measured[-1], console)
    report = ControlReport(machine=machine, loads=tuple(measured), growth=fit_growth(measured))
    show_growth(report, console)
    print_report(report)
    if plot_file is not None:
        plot_growth(report, plot_file)


def _parse_growth(growth: str) -> list[int]:
    from fedface_core.domain.errors import InvalidInputError

    sizes = [int(size) if size.strip().isdecimal() else 0 for size in growth.split(",")]
    if min(sizes) < 1 or len(set(sizes)) < len(sizes):
        raise InvalidInputError(f"--growth {growth!r}: give different numbers of clients, such as 100,1000,10000")
    return sorted(sizes)


def _show(load: LoadFigures, console: Console) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    how = f"{load.delivery} delivery, {load.at_once} at once"
    title = f"{load.clients} clients, artifacts in {load.artifacts}, {how}, {load.seconds:.1f} s in all; times in seconds"
    rounds = Table(title=title, title_justify="left", box=SIMPLE, padding=0, collapse_padding=True)
    heads = ("accepted", "failed", "opening", "open", "aggregate", "evaluate", "turnover", "updates/s", "in all")
    for head in ("round", *heads):
        rounds.add_column(head, justify="right")
    for each in load.rounds:
        times = (each.opening_seconds, each.open_seconds, each.aggregating_seconds, each.evaluating_seconds)
        turnover = "" if each.turnover_seconds is None else f"{each.turnover_seconds:.3f}"
        rates = (each.updates_per_second, each.updates_per_second_in_all)
        counts = (each.round, each.accepted, each.failed)
        rounds.add_row(*map(str, counts), *(f"{time:.3f}" for time in times), turnover, *(f"{rate:.0f}" for rate in rates))
    console.print(rounds)
    latency = ", ".join(f"{name} {milliseconds:.1f} ms" for name, milliseconds in load.api_ms.items())
    console.print(f"API over {load.api_requests} requests during the run: {latency}")
    use = Table(title="each process, with its worker processes", title_justify="left")
    for head in ("process", "CPU s", "CPU ms an update", "peak MiB"):
        use.add_column(head, justify="left" if head == "process" else "right")
    for name, seconds in load.cpu_seconds.items():
        use.add_row(name, f"{seconds:.1f}", f"{1000 * seconds / load.updates:.3f}", f"{load.peak_mib[name]:.0f}")
    in_all = sum(load.cpu_seconds.values())
    peak = sum(load.peak_mib.values())
    use.add_row("all", f"{in_all:.1f}", f"{1000 * in_all / load.updates:.3f}", f"{peak:.0f}")
    console.print(use)
