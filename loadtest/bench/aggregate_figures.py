"""What `fedface bench aggregate` measures, from the store that it fills to the plot."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, seaweedfs
from fedface_stack.local_ports import free_ports
from fedface_stack.stack import StackError
from loadtest.bench.fold_process import Memory, Rates, RoundTimes, in_a_process, measure_memory, measure_rates, measure_round
from loadtest.bench.machine import this_machine
from loadtest.bench.repetitions import Repeated, ratios
from loadtest.bench.report import Report
from loadtest.bench.synthetic_round import Place, put_round

_RATE_MB: Final = 250
"""About so many MB of updates make one measurement of a rate."""

_START_SECONDS: Final = 60.0
_FEWEST: Final = 3
_SHARE: Final = {"small": 1, "medium": 4, "large": 200}
"""Of the updates of a round of small ones: so that no size takes much longer than another."""

_MEMORY_POINTS: Final = (3, 10, 50, 200, 500, 1000)


class SizeFigures(BaseModel):
    """Of the updates of one network."""

    model_config = ConfigDict(frozen=True)

    size: str
    update_mb: float
    rates: Rates
    memory: tuple[Memory, ...]
    rounds: tuple[RoundTimes, ...]

    @property
    def ratio(self) -> Repeated:
        """The rate of the fold by that of the store alone."""
        return ratios(self.rates.fold.values, self.rates.store.values)


class AggregateReport(Report):
    """All that `fedface bench aggregate` measured."""

    artifacts: str
    sizes: tuple[SizeFigures, ...]


def measure_aggregation(
    sizes: Sequence[str], updates: int, artifacts: str, repetitions: int, tell: Callable[[str], None]
) -> AggregateReport:
    """Measure each size in a store of its own. ``updates`` is the largest round of small ones; others have fewer."""
    machine, figures = this_machine(), []
    for size in sizes:
        with _store(artifacts) as place:
            most = max(_FEWEST, updates // _SHARE[size])
            tell(f"{size}: putting {most} updates")
            whole = put_round(place, size, most)
            update_mb = next(iter(whole.accepted.values())).size / 1e6
            tell(f"{size}: rates")
            rates = in_a_process(measure_rates, whole.of(max(_FEWEST, round(_RATE_MB / update_mb))), repetitions)
            counts = [*(count for count in _MEMORY_POINTS if count < most), most]
            tell(f"{size}: memory of {len(counts)} rounds")
            memory = tuple(in_a_process(measure_memory, whole.of(count)) for count in counts)
            tell(f"{size}: rounds of {most}")
            rounds = tuple(in_a_process(measure_round, whole, processes) for processes in (1, 2))
            figures.append(SizeFigures(size=size, update_mb=update_mb, rates=rates, memory=memory, rounds=rounds))
    return AggregateReport(machine=machine, artifacts=artifacts, sizes=tuple(figures))


def plot_memory(report: AggregateReport, file: Path) -> None:
    """Memory above idle against the number of updates, a line for each size, with its bound."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for each in report.sizes:
        updates = [memory.updates for memory in each.memory]
        peaks = [memory.peak_folding_mb - memory.idle_mb for memory in each.memory]
        (line,) = axes.plot(updates, peaks, marker="o", label=f"{each.size}, {each.update_mb:.1f} MB")
        axes.axhline(3 * each.update_mb + 100, color=line.get_color(), linestyle=":", linewidth=1)
    axes.set(xscale="log", xlabel="updates folded", ylabel="MB above idle at most")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0)
    axes.set_title("Memory of one aggregator; dotted: 3 models + 100 MB", loc="left", fontsize="medium")
    axes.legend(frameon=False)
    figure.savefig(file, dpi=150)
    plt.close(figure)


@contextmanager
def _store(artifacts: str) -> Iterator[Place]:
    """An empty store, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fedface-bench-") as directory:
        workdir = Path(directory)
        if artifacts == "directory":
            yield Place(directory=workdir / "artifacts")
            return
        (master, volume, filer, s3), secret = free_ports(4), secrets.token_hex(24)
        server = seaweedfs(workdir, (master, volume, filer, s3), "fedface", secret, "fedface")
        children = Children()
        process = children.start(server.command, server.environment, workdir / "s3.log")
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not server.is_ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StackError(
                        f"the S3 server did not start:\n{(workdir / 's3.log').read_text(errors='replace')[-2000:]}"
                    )
                time.sleep(0.1)
            yield Place(endpoint=f"{HOST}:{s3}", bucket="fedface", access_key="fedface", secret_key=secret)
        finally:
            children.kill(process)
            children.close()
