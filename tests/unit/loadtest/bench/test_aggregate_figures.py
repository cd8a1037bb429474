"""The figures of `fedface bench aggregate`: the rate of folding by that of the store, and the plot of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.bench.aggregate_figures import AggregateReport, SizeFigures, plot_memory
from loadtest.bench.aggregator_process import MemoryFigures, RateFigures
from loadtest.bench.machine import this_machine
from loadtest.bench.repetitions import Repeated


def test_the_memory_is_plotted(tmp_path: Path) -> None:
    some = Repeated(values=(1.0, 2.0))
    memory = tuple(MemoryFigures(updates=count, idle_mb=300, peak_folding_mb=330, peak_mb=340) for count in (10, 2000))
    rates = RateFigures(store=some, fold=some, store_cpu_ms=some, fold_cpu_ms=some)
    size = SizeFigures(size="small", model_mb=1.2, update_mb=2.4, rates=rates, memory=memory, rounds=())
    assert size.ratio.values == (1.0, 1.0)
    assert size.bound_mb == pytest.approx(103.6)
    report = AggregateReport(machine=this_machine(), artifacts="s3", delivery="combined", optimiser="average", sizes=(size,))
    plot_memory(report, tmp_path / "memory.png")
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")
