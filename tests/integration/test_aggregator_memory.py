"""An aggregator's memory: at most three models and 100 MB above idle, however many updates a round has.

Each case folds and reduces a round in a fresh process that does nothing else, and looks at the largest resident memory that
the process has had. `fedface bench aggregate` measures the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from loadtest.bench.aggregator_process import measure_memory, most_mb, run_in_process
from loadtest.bench.synthetic_round import StoreLocation, put_round

pytestmark = pytest.mark.slow


@pytest.fixture
def store() -> Iterator[StoreLocation]:
    """A store that is gone after the test: updates of large models have gigabytes, and pytest keeps its own folders."""
    with tempfile.TemporaryDirectory(prefix="fedface-test-") as directory:
        yield StoreLocation(directory=Path(directory))


LARGE: list[Any] = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("size", "delivery", "optimiser", "objects"),
    [
        ("small", "single", "average", 100),
        ("small", "combined", "average", 50),  # a combined update is as large as two others
        ("small", "single", "sgd", 100),
        pytest.param("medium", "single", "adam", 40, marks=LARGE),
        pytest.param("large", "combined", "average", 2, marks=LARGE),
        pytest.param("large", "single", "sgd", 3, marks=LARGE),
        pytest.param("large", "single", "adam", 3, marks=LARGE),
    ],
)
def test_folding_and_reducing_take_three_models_and_100_mb_at_most(
    store: StoreLocation, size: str, delivery: Literal["single", "combined"], optimiser: str, objects: int
) -> None:
    synthetic = put_round(store, size, objects, delivery, optimiser)
    bound_mb = most_mb(synthetic.model_mb)
    kept_mb = sum(update.size for update in synthetic.accepted.values()) / 1e6
    sum_mb = 2 * synthetic.model_mb
    assert kept_mb + sum_mb > bound_mb, "an aggregator that kept all updates beside their sum would take more"
    figures = run_in_process(measure_memory, synthetic)
    assert figures.peak_mb - figures.idle_mb <= bound_mb
