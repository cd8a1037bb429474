"""Probes read CPU time, memory and latency, and a probe that breaks raises its error."""

from __future__ import annotations

import math
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.errors import InvalidInputError
from loadtest.bench.probes import ApiLatency, Probe, ProcessUsage

LATENCY = ApiLatency("http://127.0.0.1:9", ["/v1/runs"])


def test_the_usage_of_a_process_is_its_cpu_time_and_its_peak() -> None:
    with ProcessUsage({"ours": os.getpid()}) as usage:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            usage.sample()
        spent = usage.cpu_seconds()
    assert 0.1 < spent["ours"] < 2.0
    assert usage.peak_bytes["ours"] > 2**20


@given(st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=300))
def test_percentiles_are_those_of_the_nearest_rank(seconds: list[float]) -> None:
    latency = LATENCY
    latency.seconds = seconds
    ordered = sorted(seconds)
    by_rank = {f"p{percent}": ordered[math.ceil(percent * len(seconds) / 100) - 1] for percent in (50, 95, 99)}
    assert latency.percentiles_ms() == {name: round(1000 * each, 2) for name, each in by_rank.items()}


def test_a_probe_that_breaks_raises_its_error() -> None:
    class Broken(Probe):
        def sample(self) -> None:
            raise InvalidInputError("no answer")

    with pytest.raises(InvalidInputError, match="no answer"), Broken(0.001):
        time.sleep(0.1)
