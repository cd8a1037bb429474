"""`fedface bench aggregate`: that it measures the aggregator's own work, and refuses what it cannot measure."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedface_cli.main import app
from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.results import Aggregation
from loadtest.bench.aggregate_figures import AggregateReport, SizeFigures, plot_memory
from loadtest.bench.fold_process import Memory, Rates, measure_memory, measure_rates
from loadtest.bench.machine import this_machine
from loadtest.bench.repetitions import Repeated
from loadtest.bench.synthetic_round import RUN, Place, put_round


def test_a_synthetic_round_is_folded_and_reduced_with_every_update(tmp_path: Path) -> None:
    synthetic = put_round(Place(directory=tmp_path), "small", 34)
    assert [len(shard) for shard in synthetic.shards()] == [32, 2]
    memory = measure_memory(synthetic)
    assert memory.updates == 34
    assert 0 < memory.idle_mb <= memory.peak_folding_mb <= memory.peak_mb
    store = LocalArtifacts(tmp_path)
    (key,) = store.keys(f"runs/{RUN}/rounds/1/aggregations/")
    aggregation = Aggregation.model_validate_json(store.get(key))
    assert (aggregation.folded, aggregation.images, aggregation.refused) == (34, 340, {})


def test_rates_are_those_of_the_same_updates(tmp_path: Path) -> None:
    rates = measure_rates(put_round(Place(directory=tmp_path), "small", 3), repetitions=2)
    for figures in (rates.store, rates.fold, rates.store_cpu_ms, rates.fold_cpu_ms):
        assert len(figures.values) == 2
        assert min(figures.values) > 0


def test_the_memory_is_plotted(tmp_path: Path) -> None:
    some = Repeated(values=(1.0, 2.0))
    memory = tuple(Memory(updates=count, idle_mb=300, peak_folding_mb=330, peak_mb=340) for count in (10, 2000))
    rates = Rates(store=some, fold=some, store_cpu_ms=some, fold_cpu_ms=some)
    size = SizeFigures(size="small", update_mb=1.2, rates=rates, memory=memory, rounds=())
    assert size.ratio.values == (1.0, 1.0)
    plot_memory(AggregateReport(machine=this_machine(), artifacts="s3", sizes=(size,)), tmp_path / "memory.png")
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sizes", "tiny"], "--sizes 'tiny': give some of small, medium, large, each once"),
        (["--sizes", "small,small"], "each once"),
        (["--plot", "memory.txt"], "ends in .png or .pdf"),
        (["--json", "/no/such/directory/report.json"], "there is no directory /no/such/directory"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_measured(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["bench", "aggregate", *arguments])
    assert isinstance(result.exception, InvalidInputError)
    assert says in str(result.exception)
