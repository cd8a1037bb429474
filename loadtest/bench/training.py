"""`fedface bench training`: clients a second in one process, beside the bare PyTorch loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.bench.machine import Machine
    from loadtest.bench.training_speeds import Speeds

_TOGETHER = (4, 8)
_MOBILEFACENET_IS = 10  # times a small client's work, or more: a tenth of the clients say as much


def training(
    clients: Annotated[int, typer.Option(min=8, help="Small clients a measurement; a tenth for mobilefacenet.")] = 40,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each is measured, by turns.")] = 5,
    growth: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Also how time grows with the model, plotted there.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report there, too.")] = None,
) -> None:
    """Train clients in this process, on one thread: one at a time and several at once, encoded and hashed as for an upload.

    The bare loop, as one would write it in plain PyTorch, does neither. Seconds are those of the processor.
    """
    from rich.console import Console

    from loadtest.bench.growth import Growth
    from loadtest.bench.machine import this_machine
    from loadtest.bench.report import check_plot, check_writable, write
    from loadtest.bench.training_speeds import GROWTH, SIZES, TrainingReport, measure_speeds

    check_writable(json_file)
    check_plot("--growth", growth)
    console, machine = Console(), this_machine()
    sizes, grown = [], []
    with console.status("training"):
        for model, shape in SIZES.items():
            small = model != "mobilefacenet"
            count = clients if small else max(2, clients // _MOBILEFACENET_IS)
            together = _TOGETHER if small else (2,)
            sizes.append(measure_speeds(model, shape, clients=count, repetitions=repetitions, together=together))
        if growth is not None:
            grown = [
                measure_speeds(model, shape, clients=8, repetitions=repetitions, bare=False)
                for model, shape in GROWTH.items()
            ]
    seconds = [_seconds(speeds) for speeds in grown]
    report = TrainingReport(
        machine=machine,
        sizes=tuple(sizes),
        growth=tuple(grown),
        exponent_of_parameters=Growth.of([speeds.parameters for speeds in grown], seconds).exponent if grown else None,
        exponent_of_multiply_adds=Growth.of([speeds.multiply_adds for speeds in grown], seconds).exponent if grown else None,
    )
    for speeds in sizes:
        _show(speeds, machine, console)
    if growth is not None:
        _show_growth(grown, machine, console)
        console.print(
            f"a client's time grows with parameters to the power of {report.exponent_of_parameters:.2f}, "
            f"with multiply-adds to the power of {report.exponent_of_multiply_adds:.2f}"
        )
        _plot(grown, seconds, growth)
    write(json_file, report)


def _seconds(speeds: Speeds) -> float:
    from loadtest.bench.training_speeds import ONE_AT_A_TIME

    return 1 / speeds.clients_per_second[ONE_AT_A_TIME].median


def _show(speeds: Speeds, machine: Machine, console: Console) -> None:
    from loadtest.bench.report import Column, show

    ways = tuple(speeds.clients_per_second)
    columns = [
        Column(head="", cells=ways),
        Column(head="clients/s", cells=tuple(str(each) for each in speeds.clients_per_second.values())),
        Column(head="of the bare loop's", cells=tuple(str(speeds.ratio(way)) for way in ways)),
    ]
    title = f"{speeds.model}, {speeds.parameters:,} parameters, one thread; median [smallest, largest]"
    show(console, title, columns, machine)


def _show_growth(grown: Sequence[Speeds], machine: Machine, console: Console) -> None:
    from loadtest.bench.report import Column, show

    columns = [
        Column(head="model", cells=tuple(speeds.model for speeds in grown)),
        Column(head="parameters", cells=tuple(f"{speeds.parameters:,}" for speeds in grown)),
        Column(head="M multiply-adds an image", cells=tuple(f"{speeds.multiply_adds / 1e6:.2f}" for speeds in grown)),
        Column(head="ms a client", cells=tuple(f"{1000 * _seconds(speeds):.1f}" for speeds in grown)),
    ]
    show(console, "growth with the model", columns, machine)


def _plot(grown: Sequence[Speeds], seconds: Sequence[float], file: Path) -> None:
    import matplotlib as mpl  # half a second that only this needs

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.loglog([speeds.multiply_adds for speeds in grown], [1000 * each for each in seconds], "o")
    for speeds, each in zip(grown, seconds, strict=True):
        axes.annotate(
            speeds.model, (speeds.multiply_adds, 1000 * each), textcoords="offset points", xytext=(6, -4), fontsize=8
        )
    axes.set_xlabel("multiply-adds an image, forward")
    axes.set_ylabel("ms of processor time a client")
    figure.savefig(file, dpi=150)
    plt.close(figure)
