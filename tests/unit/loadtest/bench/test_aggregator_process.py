"""An aggregator's process is measured at its own work: every update is folded, and rates are of these updates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.domain.results import Aggregation
from loadtest.bench.aggregator_process import measure_memory, measure_rates, run_in_process
from loadtest.bench.synthetic_round import RUN, StoreLocation, put_round


@pytest.mark.parametrize("delivery", ["single", "combined"])
def test_a_synthetic_round_is_folded_and_reduced_with_every_update(
    tmp_path: Path, delivery: Literal["single", "combined"]
) -> None:
    synthetic = put_round(StoreLocation(directory=tmp_path), "small", 34, delivery)
    assert [len(shard) for shard in synthetic.shards()] == [32, 2]
    memory = run_in_process(measure_memory, synthetic)  # else this process's peak may be of another test
    assert memory.updates == 34
    assert 0 < memory.idle_mb < memory.peak_folding_mb <= memory.peak_mb
    store = LocalArtifacts(tmp_path)
    (key,) = store.keys(f"runs/{RUN}/rounds/1/aggregations/")
    aggregation = Aggregation.model_validate_json(store.get(key))
    assert (aggregation.folded, aggregation.images, aggregation.refused) == (34, 340, {})


def test_rates_are_those_of_the_same_updates(tmp_path: Path) -> None:
    rates = measure_rates(put_round(StoreLocation(directory=tmp_path), "small", 3), repetitions=2)
    for figures in (rates.store, rates.fold, rates.store_cpu_ms, rates.fold_cpu_ms):
        assert len(figures.values) == 2
        assert min(figures.values) > 0


def test_a_function_runs_in_a_process_of_its_own() -> None:
    assert run_in_process(os.getpid) != os.getpid()
