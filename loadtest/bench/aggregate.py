"""`fedface bench aggregate`: how fast an aggregator folds updates and how fast the store alone reads them; its memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_stack.up import Artifacts
from loadtest.bench.control import Delivery

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.bench.aggregate_figures import AggregateReport
    from loadtest.bench.report import Column


class Optimiser(StrEnum):
    """The server optimisers."""

    AVERAGE = "average"
    MOMENTUM = "momentum"
    SGD = "sgd"
    ADAM = "adam"
    YOGI = "yogi"


@with_json
def aggregate(
    updates: Annotated[
        int, typer.Option(min=10, help="Number of small updates in the largest round. Rounds of larger updates have fewer.")
    ] = 2000,
    sizes: Annotated[
        str, typer.Option(metavar="SIZE,…", help="Sizes of updates: small (1.2 MB), medium (4.1 MB), large (193 MB).")
    ] = "small,medium,large",
    artifacts: Annotated[
        Artifacts, typer.Option(help="Artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.DIRECTORY,
    delivery: Annotated[
        Delivery, typer.Option(help="The plan's delivery. Combined: each client is a combined update of its own.")
    ] = Delivery.SINGLE,
    optimiser: Annotated[
        Optimiser, typer.Option(help="The plan's server optimiser: all but average keep moments from round to round.")
    ] = Optimiser.AVERAGE,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each rate is measured, in turns.")] = 5,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Plot memory against the number of updates: PNG or PDF.")
    ] = None,
) -> None:
    """Fold rounds of synthetic updates as an aggregator's process does.

    Measures the rate of folding and the rate at which the store alone reads these updates, in turns; memory in a fresh
    process for each number of updates; and the time of a round with one aggregator and with two.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.aggregate_figures import measure_aggregation, plot_memory
    from loadtest.bench.report import check_plot_file, print_report

    exit_on_termination()
    check_plot_file("--plot", plot_file)
    console = talk_console()
    with console.status("measuring") as status:
        named = _parse_sizes(sizes)
        report = measure_aggregation(
            named, updates, artifacts.value, delivery.value, optimiser.value, repetitions, status.update
        )
    _show(report, console)
    print_report(report)
    if plot_file is not None:
        plot_memory(report, plot_file)


def _parse_sizes(given: str) -> list[str]:
    from fedface_core.domain.errors import InvalidInputError
    from loadtest.bench.synthetic_round import NETWORKS

    sizes = [size.strip() for size in given.split(",")]
    if not set(sizes) <= NETWORKS.keys() or len(set(sizes)) < len(sizes):
        raise InvalidInputError(f"--sizes {given!r}: give some of {', '.join(NETWORKS)}, each once")
    return sizes


def _show(report: AggregateReport, console: Console) -> None:
    from loadtest.bench.report import show_table

    sizes = report.sizes
    rates = {
        "updates": [each.size for each in sizes],
        "MB": [f"{each.update_mb:.1f}" for each in sizes],
        "store MB/s": [str(each.rates.store) for each in sizes],
        "fold MB/s": [str(each.rates.fold) for each in sizes],
        "fold / store": [str(each.ratio) for each in sizes],
        "CPU ms an update": [str(each.rates.fold_cpu_ms) for each in sizes],
    }
    title = f"Folding, artifacts in {report.artifacts}, {report.delivery} delivery: median [least, most]"
    show_table(console, title, _columns(rates), report.machine)
    points = [(each, memory) for each in sizes for memory in each.memory]
    memory = {
        "updates": [f"{memory.updates} {each.size}" for each, memory in points],
        "idle MB": [f"{memory.idle_mb:.0f}" for _, memory in points],
        "folding takes": [f"{memory.peak_folding_mb - memory.idle_mb:.0f}" for _, memory in points],
        "with the reduce": [f"{memory.peak_mb - memory.idle_mb:.0f}" for _, memory in points],
        "3 models + 100": [f"{each.bound_mb:.0f}" for each, _ in points],
    }
    show_table(
        console, f"Memory of one aggregator, MB above idle at most, {report.optimiser}", _columns(memory), report.machine
    )
    timed = [(each, times) for each in sizes for times in each.rounds]
    rounds = {
        "updates": [f"{times.updates} {each.size}" for each, times in timed],
        "aggregators": [str(times.processes) for _, times in timed],
        "folding s": [f"{times.folding_seconds:.2f}" for _, times in timed],
        "reducing s": [f"{times.reducing_seconds:.3f}" for _, times in timed],
    }
    show_table(console, "Rounds", _columns(rounds), report.machine)


def _columns(cells: Mapping[str, Sequence[str]]) -> list[Column]:
    from loadtest.bench.report import Column

    return [Column(head=head, cells=tuple(texts)) for head, texts in cells.items()]
