"""The servers and queues that all runs of a simulation share, and how work and calls wait at them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from itertools import islice
from math import ceil
from typing import Final

import simpy

from fedface_aggregator.read_ahead import BLOCK_BYTES, reads_under_way
from fedface_core.adapters.s3 import PUTS_AT_ONCE
from fedface_core.domain.client_tasks import TIME_SLICE_SECONDS
from loadtest.scale import calls
from loadtest.scale.calls import Call, RoundShape
from loadtest.scale.deployment import Deployment, Workload
from loadtest.scale.service_times import ServiceTimes
from loadtest.scale.stations import Station, Steps

_STEPS: Final = 5_000
"""In so many steps, or more, the clients of all runs train."""
_STEPS_OF_A_SLICE: Final = 8
"""In at least so many steps a worker uses its time slice: while some clients train, those before them are delivered."""
_STEPS_OF_A_FOLD: Final = 32
"""In at most so many steps a shard is summed."""


class World:
    """Servers and queues that all runs share."""

    def __init__(self, workload: Workload, deployment: Deployment, times: ServiceTimes) -> None:
        self.env = simpy.Environment()
        self.workload = workload
        self.deployment = deployment
        self.times = times
        self.machine = None if deployment.cores is None else Station(self.env, deployment.cores)
        self.redis = [Station(self.env, 1, self.machine) for _ in range(deployment.redis_nodes)]
        self.store = Station(self.env, deployment.store_cores, self.machine)
        self.control = Station(self.env, 1, self.machine)
        self.client_queue = simpy.Store(self.env)
        self.aggregator_queue = simpy.Store(self.env)
        self.store_costs = times.s3 if deployment.store == "s3" else times.directory
        self.workers = [self.process() for _ in range(deployment.client_workers)]
        self.aggregators = [self.process() for _ in range(deployment.aggregators)]
        self.trips: Counter[str] = Counter()
        of_a_client = times.work["client"].caller_seconds(workload.update_megabytes) + workload.training_ms / 1000
        few_enough = max(1, int(TIME_SLICE_SECONDS / of_a_client / _STEPS_OF_A_SLICE))
        self.clients_at_once = min(few_enough, ceil(workload.clients * workload.runs / _STEPS))
        self.shape = RoundShape(
            workload.clients,
            workload.clients_of_a_shard,
            workload.update_megabytes,
            workload.has_rows,
            workload.spreadout_steps > 0,
        )

    def process(self) -> Station:
        """The core of a process."""
        return Station(self.env, 1, self.machine)

    def make(self, caller: Station, node: Station, made: Iterable[Call]) -> Steps:
        """Have ``caller`` make these calls one after the other; ``node`` has the ledger of its run. Calls of one server are
        one visit to it. Networks and disks, which take nobody's processor time, are waited for in the end.
        """
        of_caller = 0.0
        waiting = 0.0
        of_server = {node: 0.0, self.store: 0.0}
        for call in made:
            self.trips[call.name] += call.times
            at_store = call.name in self.store_costs
            cost = self.store_costs[call.name] if at_store else self.times.calls[call.name]
            of_caller += call.times * cost.caller_seconds(call.units)
            of_server[self.store if at_store else node] += call.times * cost.server_seconds(call.units)
            waiting += call.times * (cost.waiting_seconds(call.units) + self.deployment.round_trip_ms / 1000)
        yield from caller.serve(of_caller)
        for server, seconds in of_server.items():
            yield from server.serve(seconds)
        yield self.env.timeout(waiting)

    def sum_read_ahead(self, caller: Station, node: Station, objects: int, megabytes: float, seconds: float) -> Steps:
        """Have ``caller`` sum so many objects of a shard one after the other, each for so many seconds, while the next ones
        are read, as the aggregator's `ReadAhead` does: each thread has a read of its own under way. Each waits for the
        store by itself, and for the core of ``caller`` as the sum does.
        """
        blocks_of_one = calls.reads(megabytes)
        blocks = objects * blocks_of_one
        together = ceil(blocks / _STEPS_OF_A_FOLD)
        due = iter(range(0, blocks, together))

        def begun(first: int) -> tuple[int, simpy.Process]:
            count = min(together, blocks - first)
            return count, self.env.process(
                self.make(caller, node, calls.read_updates(count, megabytes / blocks_of_one))  # one after the other
            )

        under_way = deque(map(begun, islice(due, reads_at_once(megabytes))))
        while under_way:
            count, reading = under_way.popleft()
            yield reading
            under_way.extend(map(begun, islice(due, 1)))
            yield from caller.serve(count * seconds / blocks_of_one)

    def put_together(self, caller: Station, objects: int) -> Steps:
        """Put so many small objects, `PUTS_AT_ONCE` at a time. The disk flushes those that wait for it together."""
        cost = self.store_costs["put_all"].of_a_unit()
        self.trips["put_all"] += objects
        of_each = ceil(objects / PUTS_AT_ONCE)

        def stream() -> Steps:
            yield from caller.serve(of_each * cost.caller_seconds())
            yield from self.store.serve(of_each * cost.server_seconds())
            yield self.env.timeout(of_each * self.deployment.round_trip_ms / 1000 + objects * cost.waiting_seconds())

        yield simpy.AllOf(self.env, [self.env.process(stream()) for _ in range(PUTS_AT_ONCE)])

    def busy(self) -> dict[str, float]:
        """Server or kind of process → the share of the time until now in which it worked."""
        seconds = self.env.now
        stations = {"client workers": self.workers, "aggregators": self.aggregators, "Redis": self.redis}
        shares = {name: max(one.utilisation(seconds) for one in of_kind) for name, of_kind in stations.items()}
        return shares | {"S3": self.store.utilisation(seconds), "control": self.control.utilisation(seconds)}

    def take(self, caller: Station) -> Steps:
        """Take a message out of its queue, and acknowledge it."""
        cost = self.times.work["message"]
        yield from caller.serve(cost.caller_seconds())
        yield from self.redis[0].serve(cost.server_seconds())


def reads_at_once(megabytes: float) -> int:
    """How many reads of objects of this size an aggregator has under way at once."""
    return reads_under_way(min(ceil(megabytes * 1e6), BLOCK_BYTES))
