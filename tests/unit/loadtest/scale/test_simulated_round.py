"""A simulated round loses no client, and is bound by what its figures say."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.scale.calls import reads
from loadtest.scale.deployment import Deployment, Workload
from loadtest.scale.service_times import Cost, ServiceTimes
from loadtest.scale.simulated_round import STAGES, SimulatedRound, simulate_round

TIMES = ServiceTimes.read()
CLIENTS = 200


def simulated(times: ServiceTimes = TIMES, fleet: dict[str, Any] | None = None, **workload: Any) -> SimulatedRound:
    asked = Workload.model_validate({"clients": CLIENTS, "training_ms": 10.0, "update_megabytes": 1.0} | workload)
    return simulate_round(asked, Deployment.model_validate({"client_workers": 4, "aggregators": 2} | (fleet or {})), times)


def slower(name: str, **cost: float) -> ServiceTimes:
    """The times with another cost of one call of the ledger."""
    return TIMES.model_copy(update={"calls": TIMES.calls | {name: Cost(measured="invented", **cost)}})


@pytest.mark.parametrize("workload", [{}, {"delivery": "combined"}, {"has_rows": False}, {"shard_size": 1000}, {"runs": 3}])
def test_each_client_settles_once_and_each_shard_is_recorded(workload: dict[str, Any]) -> None:
    result = simulated(**workload)
    runs = workload.get("runs", 1)
    shards = 1 if workload.get("shard_size") else 7
    assert result.calls["begin_attempt"] == CLIENTS * runs
    assert result.calls["save_opened"] == runs
    assert result.calls["record_partial"] >= shards * runs
    assert result.calls["put_all"] == (CLIENTS * runs if workload.get("has_rows", True) else 0)
    if workload.get("delivery") == "combined":
        assert result.calls["accept"] == 0
        assert shards <= result.calls["accept_all"] < CLIENTS
    else:
        assert result.calls["accept"] == CLIENTS * runs


def test_stages_follow_each_other_and_make_the_round() -> None:
    result = simulated()
    assert list(result.stages) == list(STAGES)
    assert all(seconds >= 0 for seconds in result.stages.values())
    assert sum(result.stages.values()) == pytest.approx(result.opened_next_at)


def test_one_worker_trains_one_client_after_the_other() -> None:
    result = simulated(fleet={"client_workers": 1}, training_ms=100.0)
    assert result.settled_at > CLIENTS * 0.1
    assert result.busy["client workers"] > 0.9
    assert result.wall.startswith("clients: client workers")


def test_workers_beyond_the_wall_do_not_help() -> None:
    """A Redis that takes 10 ms to accept a client takes 2 s for all, however many workers wait for it."""
    times = slower("accept", server_ms=10.0)
    few, many = (simulated(times, {"client_workers": workers}, training_ms=0.1) for workers in (8, 64))
    assert few.settled_at >= CLIENTS * 0.01
    assert many.settled_at == pytest.approx(few.settled_at, rel=0.1)
    assert many.wall.startswith("clients: Redis")
    assert many.busy["Redis"] > 0.9


def test_runs_on_a_redis_of_their_own_do_not_wait_for_each_other() -> None:
    times = slower("accept", server_ms=10.0)
    fleet = {"client_workers": 200, "aggregators": 8}  # so that no task waits for a worker
    one = simulated(times, fleet, training_ms=0.1, runs=4)
    four = simulated(times, fleet | {"redis_nodes": 4}, training_ms=0.1, runs=4)
    assert one.settled_at > 3 * four.settled_at


def test_what_is_not_built_moves_the_wall_that_it_is_for() -> None:
    small_shards: dict[str, Any] = {"shard_size": 1}
    assert simulated(fleet={"fan_in": 8}, **small_shards).stages["partials"] < simulated(**small_shards).stages["partials"]
    assert simulated(fleet={"row_putters": 4}).stages["results"] < simulated().stages["results"]


def test_a_machine_with_few_cores_takes_as_long_as_all_the_work_on_them() -> None:
    apart = simulated()
    together = simulated(fleet={"cores": 1})
    assert together.opened_next_at > 1.5 * apart.opened_next_at


def test_an_object_is_read_in_blocks() -> None:
    assert [reads(megabytes) for megabytes in (0.001, 8.0, 9.0, 193.0)] == [1, 1, 2, 24]
