"""`fedface bench aggregate`: how fast an aggregator folds updates, beside the store alone, and what memory it takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_stack.up import Artifacts

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.bench.aggregate_figures import AggregateReport


def aggregate(
    updates: Annotated[
        int, typer.Option(min=10, help="Small updates in the largest round; of the others as many bytes at most.")
    ] = 2000,
    sizes: Annotated[
        str, typer.Option(metavar="SIZE,…", help="Of small (1.2 MB), medium (4.1 MB) and large (193 MB).")
    ] = "small,medium,large",
    artifacts: Annotated[
        Artifacts, typer.Option(help="Artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.DIRECTORY,
    repetitions: Annotated[int, typer.Option(min=1, help="Of each rate.")] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report there, too.")] = None,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Plot memory against the number of updates: PNG or PDF.")
    ] = None,
) -> None:
    """Fold rounds of updates that nobody trained, with what an aggregator's process does for them.

    The rate is set beside that at which the store alone gives the same objects, each read whole, by turns. Memory is
    measured in a fresh process for each number of updates. A round is timed over one aggregator and over two.
    """
    from rich.console import Console

    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.aggregate_figures import measure_aggregation, plot_memory
    from loadtest.bench.report import check_plot, check_writable, write

    exit_on_termination()
    check_plot("--plot", plot_file)
    check_writable(json_file)
    console = Console()
    with console.status("measuring") as status:
        report = measure_aggregation(_sizes(sizes), updates, artifacts.value, repetitions, status.update)
    _show(report, console)
    write(json_file, report)
    if plot_file is not None:
        plot_memory(report, plot_file)


def _sizes(given: str) -> list[str]:
    from fedface_core.domain.errors import InvalidInputError
    from loadtest.bench.synthetic_round import MODELS

    sizes = [size.strip() for size in given.split(",")]
    if not set(sizes) <= MODELS.keys() or len(set(sizes)) < len(sizes):
        raise InvalidInputError(f"--sizes {given!r}: give some of {', '.join(MODELS)}, each once")
    return sizes


def _show(report: AggregateReport, console: Console) -> None:
    from loadtest.bench.report import Column, show

    of = report.sizes
    columns = {
        "updates": [each.size for each in of],
        "MB": [f"{each.update_mb:.1f}" for each in of],
        "store MB/s": [str(each.rates.store) for each in of],
        "fold MB/s": [str(each.rates.fold) for each in of],
        "fold / store": [str(each.ratio) for each in of],
        "CPU ms an update": [str(each.rates.fold_cpu_ms) for each in of],
    }
    rates = [Column(head=head, cells=tuple(cells)) for head, cells in columns.items()]
    show(console, f"Folding, artifacts in {report.artifacts}: median [least, most]", rates, report.machine)
    points = [(each, memory) for each in of for memory in each.memory]
    columns = {
        "updates": [f"{memory.updates} {each.size}" for each, memory in points],
        "idle MB": [f"{memory.idle_mb:.0f}" for _, memory in points],
        "folding takes": [f"{memory.peak_folding_mb - memory.idle_mb:.0f}" for _, memory in points],
        "with the reduce": [f"{memory.peak_mb - memory.idle_mb:.0f}" for _, memory in points],
        "3 models + 100": [f"{3 * each.update_mb + 100:.0f}" for each, _ in points],
    }
    memory = [Column(head=head, cells=tuple(cells)) for head, cells in columns.items()]
    show(console, "Memory of one aggregator, MB above idle at most", memory, report.machine)
    rounds = [(each, done) for each in of for done in each.rounds]
    columns = {
        "updates": [f"{done.updates} {each.size}" for each, done in rounds],
        "aggregators": [str(done.processes) for _, done in rounds],
        "folding s": [f"{done.folding_seconds:.2f}" for _, done in rounds],
        "reducing s": [f"{done.reducing_seconds:.3f}" for _, done in rounds],
    }
    show(console, "Rounds", [Column(head=head, cells=tuple(cells)) for head, cells in columns.items()], report.machine)
