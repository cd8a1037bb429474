from __future__ import annotations

import json
import math
import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_learning.data import ImageSize, open_dataset
from loadtest.bench import control_rounds
from loadtest.bench.control import control
from loadtest.bench.control_growth import growth_of
from loadtest.bench.control_log import read_moments
from loadtest.bench.control_rounds import LoadFigures, RoundFigures
from loadtest.bench.no_op_plan import no_op_people, no_op_plan
from loadtest.bench.probes import ApiLatency, Probe, ProcessUse


def a_load(clients: int, seconds: float) -> LoadFigures:
    rounds = tuple(
        RoundFigures(
            round=number,
            accepted=clients,
            failed=0,
            opening_seconds=0.1,
            open_seconds=seconds / 2,
            aggregating_seconds=seconds / 4,
            evaluating_seconds=seconds / 4,
            turnover_seconds=None,
        )
        for number in range(control_rounds.ROUNDS + 1)
    )
    use = {"api": 80.0, "control": 200.0}
    return LoadFigures(
        clients=clients,
        artifacts="directory",
        seconds=4 * seconds,
        rounds=rounds,
        api_requests=1,
        api_ms={"p50": 1.0, "p95": 2.0, "p99": 3.0},
        cpu_seconds=use,
        peak_mib=use,
    )


def test_growth_is_the_slope_of_the_logarithms() -> None:
    loads = [a_load(clients, 0.5 * clients**0.75) for clients in (100, 300, 1000)]
    growth = growth_of(loads)
    assert growth is not None
    assert growth.exponent == pytest.approx(0.75)
    assert growth.factor_seconds == pytest.approx(0.5)
    assert growth_of(loads[:1]) is None


def test_rates_are_of_the_open_round_and_of_all_of_it() -> None:
    figures = a_load(100, 8.0).rounds[1]
    assert figures.updates_per_second == 25.0
    assert figures.updates_per_second_in_all == 12.5


def test_the_first_moment_of_each_turn_is_read_from_controls_log(tmp_path: Path) -> None:
    def line(event: str, second: int, **more: object) -> str:
        return json.dumps({"event": event, "timestamp": f"2026-01-01T00:00:{second:02}.000001Z", **more})

    log = tmp_path / "control.log"
    lines = [
        "a line of somebody else",
        line("round_opened", 1, round=1),
        line("commands_published", 2, round=1, phase="open"),
        line("round_closed", 3, round=1),
        line("commands_published", 4, round=1, phase="aggregating"),
        line("commands_published", 5, round=1, phase="open"),  # a repetition
        line("worker_ready", 6),
    ]
    log.write_text("\n".join(lines))
    moments = read_moments(log)
    assert set(moments) == {("round_opened", 1), ("tasks_published", 1), ("round_closed", 1)}
    assert moments["tasks_published", 1] - moments["round_opened", 1] == timedelta(seconds=1)


def test_the_use_of_a_process_is_its_cpu_time_and_its_peak(process_id: int) -> None:
    with ProcessUse({"ours": process_id}) as use:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            use.sample()
        spent = use.cpu_seconds()
    assert 0.1 < spent["ours"] < 2.0
    assert use.peak_bytes["ours"] > 2**20


@given(st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=300))
def test_percentiles_are_those_of_the_nearest_rank(seconds: list[float]) -> None:
    latency = ApiLatency("http://127.0.0.1:9", ["/runs"])
    latency.seconds = seconds
    ordered = sorted(seconds)
    by_rank = {f"p{percent}": ordered[math.ceil(percent * len(seconds) / 100) - 1] for percent in (50, 95, 99)}
    assert latency.percentiles_ms() == {name: round(1000 * each, 2) for name, each in by_rank.items()}


def test_a_probe_that_breaks_says_so() -> None:
    class Broken(Probe):
        def sample(self) -> None:
            raise InvalidInputError("no answer")

    with pytest.raises(InvalidInputError, match="no answer"), Broken(0.001):
        time.sleep(0.1)


@pytest.fixture
def process_id() -> int:
    import os

    return os.getpid()


def test_the_plan_of_a_bench_has_its_people(tmp_path: Path) -> None:
    plan = Plan.model_validate(no_op_plan(clients=5, rounds=1) | no_op_people(tmp_path, 5))
    dataset = open_dataset(plan.data, ImageSize.of(plan.model), plan.split.identities)
    assert len(dataset.identities) == plan.split.identities == 13
    assert dataset.images(dataset.identities[0]).shape == (2, 1, 28, 24)


@pytest.mark.parametrize("growth", ["", "100,", "100,100", "0,5", "-5,3", "a,b"])
def test_numbers_of_clients_that_make_no_growth_are_refused(growth: str) -> None:
    with pytest.raises(InvalidInputError, match="give different numbers of clients"):
        control(growth=growth)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"plot_file": Path("x.png")}, "give --growth with two or more"),
        ({"plot_file": Path("x.gif"), "growth": "1,2"}, "ends in .png or .pdf"),
        ({"json_file": Path("nowhere/report.json")}, "there is no directory"),
    ],
)
def test_a_report_that_can_not_be_written_is_refused_at_once(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        control(**options)  # type: ignore[arg-type]
