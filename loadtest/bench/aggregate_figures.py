"""The figures of `fedface bench aggregate`: filling a store, measuring, and plotting memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from fedface_core.files.whole_file import whole_file
from loadtest.bench.aggregator_process import (
    MemoryFigures,
    RateFigures,
    RoundTimes,
    measure_memory,
    measure_rates,
    measure_round,
    most_mb,
    run_in_process,
)
from loadtest.bench.machine import this_machine
from loadtest.bench.own_servers import own_s3
from loadtest.bench.repetitions import Repeated, ratios
from loadtest.bench.report import BenchmarkReport
from loadtest.bench.synthetic_round import StoreLocation, put_round

_RATE_MB: Final = 250
"""About this many MB of updates are read, and folded, for one measurement of a rate."""

_FEWEST_UPDATES: Final = 3
_UPDATES_DIVISOR: Final = {"small": 1, "medium": 4, "large": 200}
"""Size → the number of small updates for which a round has one of this size, so that no size takes much longer."""

_MEMORY_POINTS: Final = (3, 10, 50, 200, 500, 1000)


class SizeFigures(BaseModel):
    """What was measured of the updates of one network."""

    model_config = ConfigDict(frozen=True)

    size: str
    model_mb: float
    update_mb: float
    rates: RateFigures
    memory: tuple[MemoryFigures, ...]
    """One for each number of updates."""
    rounds: tuple[RoundTimes, ...]
    """One for each number of aggregators."""

    @property
    def ratio(self) -> Repeated:
        """The rate of folding divided by the rate of the store alone, repetition by repetition."""
        return ratios(self.rates.fold.values, self.rates.store.values)

    @property
    def bound_mb(self) -> float:
        """How much memory above idle an aggregator may take, in MB, whatever the server optimiser."""
        return most_mb(self.model_mb)


class AggregateReport(BenchmarkReport):
    """What `fedface bench aggregate` reports."""

    artifacts: str
    delivery: Literal["single", "combined"]
    optimiser: str
    sizes: tuple[SizeFigures, ...]


def measure_aggregation(
    sizes: Sequence[str],
    updates: int,
    artifacts: str,
    delivery: Literal["single", "combined"],
    optimiser: str,
    repetitions: int,
    show_status: Callable[[str], None],
) -> AggregateReport:
    """Measure each size in its own store, ``"directory"`` or ``"s3"``; ``show_status`` is called with the current step.

    ``updates`` is the number of small updates in the largest round; rounds of larger updates have fewer. `StackError` if the
    S3 server does not start.
    """
    machine = this_machine()
    figures = []
    for size in sizes:
        with _empty_store(artifacts) as location:
            most = max(_FEWEST_UPDATES, updates // _UPDATES_DIVISOR[size])
            show_status(f"{size}: putting {most} updates")
            whole = put_round(location, size, most, delivery, optimiser)
            update_mb = next(iter(whole.accepted.values())).size / 1e6
            show_status(f"{size}: rates")
            rates = run_in_process(
                measure_rates, whole.first(max(_FEWEST_UPDATES, round(_RATE_MB / update_mb))), repetitions
            )
            counts = [*(count for count in _MEMORY_POINTS if count < most), most]
            show_status(f"{size}: memory of {len(counts)} rounds")
            memory = tuple(run_in_process(measure_memory, whole.first(count)) for count in counts)
            show_status(f"{size}: rounds of {most}")
            rounds = tuple(run_in_process(measure_round, whole, processes) for processes in (1, 2))
            figures.append(
                SizeFigures(
                    size=size, model_mb=whole.model_mb, update_mb=update_mb, rates=rates, memory=memory, rounds=rounds
                )
            )
    return AggregateReport(
        machine=machine, artifacts=artifacts, delivery=delivery, optimiser=optimiser, sizes=tuple(figures)
    )


def plot_memory(report: AggregateReport, file: Path) -> None:
    """Plot the memory above idle over the number of updates, a line for each size, with its bound dotted; PNG or PDF."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for each in report.sizes:
        updates = [memory.updates for memory in each.memory]
        peaks = [memory.peak_folding_mb - memory.idle_mb for memory in each.memory]
        (line,) = axes.plot(updates, peaks, marker="o", label=f"{each.size}, {each.update_mb:.1f} MB")
        axes.axhline(each.bound_mb, color=line.get_color(), linestyle=":", linewidth=1)
    axes.set(xscale="log", xlabel="updates folded", ylabel="MB above idle at most")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0)
    axes.set_title("Memory of one aggregator; dotted: 3 models + 100 MB", loc="left", fontsize="medium")
    axes.legend(frameon=False)
    with whole_file(file) as written:
        figure.savefig(written, format=file.suffix[1:], dpi=150)
    plt.close(figure)


@contextmanager
def _empty_store(artifacts: str) -> Iterator[StoreLocation]:
    """An empty store, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="fedface-bench-") as directory:
        workdir = Path(directory)
        if artifacts == "directory":
            yield StoreLocation(directory=workdir / "artifacts")
            return
        with own_s3(workdir) as s3:
            yield StoreLocation(endpoint=s3.endpoint, bucket=s3.bucket, access_key=s3.access_key, secret_key=s3.secret_key)
