"""The file of figures says where each was measured; a measured cost has a fixed part and one for each unit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from loadtest.scale.measure_services import Meter
from loadtest.scale.service_times import Cost, ServiceTimes, as_toml
from support.command_line import Invoke


def test_costs_are_read_as_they_were_written(tmp_path: Path) -> None:
    costs = {"put": Cost(server_ms=1.5, waiting_ms=0.25, unit="MB", server_ms_per_unit=8.0, measured="here")}
    file = tmp_path / "times.toml"
    file.write_text("\n".join(as_toml(table, costs) for table in ("calls", "s3", "directory", "work")))
    assert ServiceTimes.read(file) == ServiceTimes(calls=costs, s3=costs, directory=costs, work=costs)
    assert costs["put"].server_seconds(2.0) == pytest.approx(0.0175)
    assert costs["put"].waiting_seconds(2.0) == pytest.approx(0.00025)


def test_both_stores_have_equal_calls_and_no_figure_is_without_its_source() -> None:
    times = ServiceTimes.read()
    assert times.s3.keys() == times.directory.keys()
    assert all(cost.measured for table in (times.calls, times.s3, times.work) for cost in table.values())


def test_the_measured_file_can_be_simulated_by(fedface: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = ServiceTimes.read()
    measured = {"calls": times.calls, "s3": times.s3, "directory": times.directory}
    work = {name: times.work[name] for name in ("client", "fold")}  # the command copies what it does not measure
    monkeypatch.setattr("loadtest.scale.measure_services.measure_services", lambda _source: measured)
    monkeypatch.setattr("loadtest.scale.measure_work.measure_work", lambda _source: work)
    status, out, err = fedface("bench", "service-times")
    assert status == 0, err
    file = tmp_path / "times.toml"
    file.write_text(out)
    assert ServiceTimes.read(file) == times


@pytest.mark.parametrize("text", ["", "[calls.put]\nserver_ms = -1\nmeasured = 'x'", "[calls", "\xff"])
def test_another_file_is_refused_with_an_example(tmp_path: Path, text: str) -> None:
    file = tmp_path / "times.toml"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(InvalidInputError, match=r"times.toml is no file of service times such as .*service_times.toml"):
        ServiceTimes.read(file)


def test_two_measurements_are_a_fixed_cost_and_one_of_each_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    server = 0.0
    caller = 0.0
    monkeypatch.setattr(time, "process_time", lambda: caller)

    def work(units: int) -> None:
        nonlocal server, caller
        server += 0.002 + 0.001 * units
        caller += 0.003

    meter = Meter(lambda: server, "here")
    for units in (10, 1000):
        meter.measure("get", 4, lambda _, units=units: work(units), float(units), "MB")  # type: ignore[misc]
    cost = meter.costs["get"]
    assert (cost.unit, cost.measured) == ("MB", "here")
    assert cost.server_ms == pytest.approx(2.0)
    assert cost.server_ms_per_unit == pytest.approx(1.0)
    assert cost.caller_ms == pytest.approx(3.0)
    assert cost.caller_ms_per_unit == pytest.approx(0.0)


def test_what_a_call_without_a_server_takes_beyond_processor_time_is_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call in five lost its core for a second, which says nothing of the disk."""
    wall = 0.0
    processor = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: wall)
    monkeypatch.setattr(time, "process_time", lambda: processor)

    def put(index: int) -> None:
        nonlocal wall, processor
        wall += 0.003 + 0.007 + (1.0 if index % 5 == 0 else 0.0)
        processor += 0.003

    meter = Meter(None, "here")
    meter.measure("put", 10, put)
    assert meter.costs["put"].waiting_ms == pytest.approx(7.0)
    assert meter.costs["put"].caller_ms == pytest.approx(3.0)
    assert meter.costs["put"].server_ms == 0.0
