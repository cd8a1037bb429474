"""An aggregator sums while it reads: the store's answers are late, but what is summed next has come already."""

from __future__ import annotations

from typing import Any

import pytest

from fedface_aggregator.read_ahead import READS_AT_ONCE
from loadtest.scale.deployment import Deployment, Workload
from loadtest.scale.service_times import Cost, ServiceTimes
from loadtest.scale.simulated_round import simulate_round, sum_shard
from loadtest.scale.world import World, reads_at_once

TIMES = ServiceTimes.read()
REFERENCE_MEGABYTES = 1.18
SHARD = 32
MEASURED_UPDATES_A_SECOND = 222 / REFERENCE_MEGABYTES
"""docs/performance.md, aggregation: 222 MB/s of small updates on S3, in shards of 32, with the server on these two cores."""


def seconds_of_a_fold(updates: int = SHARD, times: ServiceTimes = TIMES, **fleet: Any) -> float:
    """How long an aggregator takes for a shard of so many updates of the reference network, read from S3."""
    workload = Workload(clients=updates, shard_size=updates, training_ms=1.0, update_megabytes=REFERENCE_MEGABYTES)
    world = World(workload, Deployment.model_validate({"client_workers": 1} | fleet), times)
    world.env.run(world.env.process(sum_shard(world, world.aggregators[0], world.redis[0], updates)))
    return world.env.now


def only_waiting() -> ServiceTimes:
    """Nothing takes processor time."""
    free = Cost(measured="invented")
    return ServiceTimes(
        calls=dict.fromkeys(TIMES.calls, free),
        s3=dict.fromkeys(TIMES.s3, free),
        directory=dict.fromkeys(TIMES.directory, free),
        work=dict.fromkeys(TIMES.work, free),
    )


def test_reads_under_way_hide_that_the_store_answers_late() -> None:
    """One after the other, a hundred reads that take 5 ms more each would take half a second more."""
    fast = seconds_of_a_fold(100, round_trip_ms=5.0)
    slow = seconds_of_a_fold(100, round_trip_ms=10.0)
    assert fast < slow < 1.1 * fast
    assert slow - fast < 0.1 * 100 * 0.005


def test_as_many_reads_are_under_way_as_an_aggregator_has_threads() -> None:
    """If nothing takes processor time, all wait for a store that answers after a second."""
    seconds = seconds_of_a_fold(4 * READS_AT_ONCE, only_waiting(), round_trip_ms=1000.0)
    assert seconds == pytest.approx(4 + 1)  # and one for the put


@pytest.mark.parametrize(("megabytes", "reads"), [(0.001, 8), (1.18, 8), (4.1, 8), (8.3, 4), (193.0, 4)])
def test_of_large_objects_fewer_reads_are_under_way(megabytes: float, reads: int) -> None:
    assert reads_at_once(megabytes) == reads


def test_a_fold_beside_its_server_is_as_fast_as_it_was_measured() -> None:
    updates_a_second = SHARD / seconds_of_a_fold(cores=2, round_trip_ms=0.05)
    assert updates_a_second == pytest.approx(MEASURED_UPDATES_A_SECOND, rel=0.25)


def test_a_large_shard_is_summed_in_few_steps_that_take_as_long() -> None:
    """In steps of several updates, the time of each is still that of one."""
    of_one = (seconds_of_a_fold(1000) - seconds_of_a_fold(900)) / 100
    assert of_one == pytest.approx((seconds_of_a_fold(60) - seconds_of_a_fold(30)) / 30, rel=0.05)


def test_a_disk_is_waited_for_while_nobody_computes() -> None:
    """A client worker of single delivery waits for the flush of each update; its processor time stays as it was."""
    workload = Workload(clients=200, training_ms=1.0, update_megabytes=0.009, spreadout_steps=0)
    stack = Deployment(client_workers=2, cores=2, store="directory")
    put = TIMES.directory["put"].model_copy(update={"waiting_ms": 50.0})
    flushed = TIMES.model_copy(update={"directory": TIMES.directory | {"put": put}})
    without, with_flush = (simulate_round(workload, stack, times) for times in (TIMES, flushed))
    assert with_flush.settled_at > 200 / 2 * 0.05
    assert with_flush.settled_at > 2 * without.settled_at
    assert with_flush.processor_seconds == pytest.approx(without.processor_seconds, rel=0.05)
