"""`fedface bench training`: clients a second in one process, and those of the bare loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_core.files.whole_file import whole_file

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.bench.machine import Machine
    from loadtest.bench.training_speeds import TrainingSpeeds

_VECTORISED_CLIENTS = (4, 8)
_MOBILEFACENET_COST = 10  # a client takes at least this many times longer than a small one, so fewer clients are enough


@with_json
def training(
    clients: Annotated[int, typer.Option(min=8, help="Clients of a measurement; a tenth of them with mobilefacenet.")] = 40,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each way to train is measured, in turns.")] = 5,
    growth: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Also measure how time grows with the model, and plot it to this PNG or PDF."),
    ] = None,
) -> None:
    """Train clients in this process on one thread: one at a time, several at once, and by the bare loop in plain PyTorch.

    FedFace encodes and hashes each update as for an upload; the bare loop does not. All seconds are processor time.
    """
    from fedface_cli.plain_console import talk_console
    from loadtest.bench.machine import this_machine
    from loadtest.bench.report import check_plot_file, print_report
    from loadtest.bench.training_speeds import GROWING_NETWORKS, NETWORKS, TrainingReport, measure_speeds

    check_plot_file("--growth", growth)
    console = talk_console()
    machine = this_machine()
    sizes = []
    growth_speeds = []
    with console.status("training"):
        for model, network in NETWORKS.items():
            small = model != "mobilefacenet"
            count = clients if small else max(2, clients // _MOBILEFACENET_COST)
            vectorised = _VECTORISED_CLIENTS if small else (2,)
            sizes.append(measure_speeds(model, network, clients=count, repetitions=repetitions, vectorised=vectorised))
        if growth is not None:
            growth_speeds = [
                measure_speeds(model, network, clients=8, repetitions=repetitions, bare=False)
                for model, network in GROWING_NETWORKS.items()
            ]
    seconds = [_client_seconds(speeds) for speeds in growth_speeds]
    report = TrainingReport(
        machine=machine,
        sizes=tuple(sizes),
        growth=tuple(growth_speeds),
        exponent_of_parameters=_exponent([speeds.parameters for speeds in growth_speeds], seconds),
        exponent_of_multiply_adds=_exponent([speeds.multiply_adds for speeds in growth_speeds], seconds),
    )
    for speeds in sizes:
        _show(speeds, machine, console)
    if growth is not None:
        _show_growth(growth_speeds, machine, console)
        console.print(
            f"a client's time grows with parameters to the power of {report.exponent_of_parameters:.2f}, "
            f"with multiply-adds to the power of {report.exponent_of_multiply_adds:.2f}"
        )
        _plot(growth_speeds, seconds, growth)
    print_report(report)


def _exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float | None:
    from loadtest.bench.power_law import PowerLaw

    return PowerLaw.fit(sizes, seconds).exponent if sizes else None


def _client_seconds(speeds: TrainingSpeeds) -> float:
    from loadtest.bench.training_speeds import ONE_AT_A_TIME

    return 1 / speeds.clients_per_second[ONE_AT_A_TIME].median


def _show(speeds: TrainingSpeeds, machine: Machine, console: Console) -> None:
    from loadtest.bench.report import Column, show_table

    ways = tuple(speeds.clients_per_second)
    columns = [
        Column(head="", cells=ways),
        Column(head="clients/s", cells=tuple(str(each) for each in speeds.clients_per_second.values())),
        Column(head="of the bare loop's", cells=tuple(str(speeds.ratio(way)) for way in ways)),
    ]
    title = f"{speeds.model}, {speeds.parameters:,} parameters, one thread; median [smallest, largest]"
    show_table(console, title, columns, machine)


def _show_growth(growth_speeds: Sequence[TrainingSpeeds], machine: Machine, console: Console) -> None:
    from loadtest.bench.report import Column, show_table

    columns = [
        Column(head="model", cells=tuple(speeds.model for speeds in growth_speeds)),
        Column(head="parameters", cells=tuple(f"{speeds.parameters:,}" for speeds in growth_speeds)),
        Column(
            head="M multiply-adds an image", cells=tuple(f"{speeds.multiply_adds / 1e6:.2f}" for speeds in growth_speeds)
        ),
        Column(head="ms a client", cells=tuple(f"{1000 * _client_seconds(speeds):.1f}" for speeds in growth_speeds)),
    ]
    show_table(console, "growth with the model", columns, machine)


def _plot(growth_speeds: Sequence[TrainingSpeeds], seconds: Sequence[float], file: Path) -> None:
    import matplotlib as mpl  # its import takes half a second, and only the plot needs it

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.loglog([speeds.multiply_adds for speeds in growth_speeds], [1000 * each for each in seconds], "o")
    for speeds, each in zip(growth_speeds, seconds, strict=True):
        axes.annotate(
            speeds.model, (speeds.multiply_adds, 1000 * each), textcoords="offset points", xytext=(6, -4), fontsize=8
        )
    axes.set_xlabel("multiply-adds an image, forward")
    axes.set_ylabel("ms of processor time a client")
    with whole_file(file) as written:
        figure.savefig(written, format=file.suffix[1:], dpi=150)
    plt.close(figure)
