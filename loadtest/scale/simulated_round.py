"""A simulated round: tasks wait in queues, workers carry them out, and each call waits at the server that answers it.

Clients are simulated some at a time, so that a round of a million has tens of thousands of steps. So many calls are then one
visit to a server.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from math import ceil
from operator import itemgetter
from typing import Final

import simpy

from fedface_core.domain.client_tasks import TIME_SLICE_SECONDS, split_into_tasks
from fedface_core.domain.plan import Plan
from loadtest.scale import calls
from loadtest.scale.calls import Call
from loadtest.scale.deployment import Deployment, Workload
from loadtest.scale.service_times import ServiceTimes
from loadtest.scale.stations import Station, Steps
from loadtest.scale.world import World

STAGES: Final = ("clients", "folding the rest", "partials", "spreadout", "results", "evaluation and control")
"""The stages of a round, one after the other."""
_ROWS_AT_ONCE: Final = 400
"""So many rows are put in one step of the simulation."""


@dataclass
class SimulatedRound:
    """When the steps of a round ended, in seconds from its opening."""

    settled_at: float = 0.0
    """All clients have settled."""
    folded_at: float = 0.0
    """The last shard is folded."""
    averaged_at: float = 0.0
    """The reducer has the average."""
    spread_at: float = 0.0
    """The reducer has spread W, if there is one."""
    reduced_at: float = 0.0
    """The reducer has put everything, the rows of W last."""
    opened_next_at: float = 0.0
    """The next round is open, with all its tasks published."""
    busy: dict[str, float] = field(default_factory=dict)
    """Server or kind of process → the share of the time in which it worked, until all clients had settled."""
    calls: Counter[str] = field(default_factory=Counter)
    """Call → how often it was made, by all runs."""
    processor_seconds: float | None = None
    """What all processes and servers worked, if they share a machine."""

    @property
    def stages(self) -> dict[str, float]:
        """What followed what → how many seconds it took."""
        ends = (self.settled_at, self.folded_at, self.averaged_at, self.spread_at, self.reduced_at, self.opened_next_at)
        return {name: end - begin for name, begin, end in zip(STAGES, (0.0, *ends), ends, strict=False)}

    @property
    def wall(self) -> str:
        """What takes longest. If it is the clients, also what is busiest meanwhile."""
        longest = max(self.stages.items(), key=itemgetter(1))[0]
        if longest != STAGES[0]:
            return longest
        busiest, share = max(self.busy.items(), key=itemgetter(1))
        return f"{longest}: {busiest} ({share:.0%})"


def simulate_round(workload: Workload, deployment: Deployment, times: ServiceTimes) -> SimulatedRound:
    """Simulate a training round of each run, all opened at one moment. The result is of the run that ends last."""
    world = World(workload, deployment, times)
    rounds = [_Round(world, number) for number in range(workload.runs)]
    for core in world.workers:
        world.env.process(_client_worker(world, core))
    for core in world.aggregators:
        world.env.process(_aggregator(world, core))
    for each in rounds:
        for task in each.tasks:
            world.client_queue.put((each, task))
    world.env.run(simpy.AllOf(world.env, [each.opened_next for each in rounds]))
    last = max(rounds, key=lambda each: each.result.opened_next_at).result
    last.calls = world.trips
    last.processor_seconds = None if world.machine is None else world.machine.busy_seconds
    return last


class _Round:
    """The round of one run."""

    def __init__(self, world: World, number: int) -> None:
        workload = world.workload
        self.world = world
        self.node = world.redis[number % len(world.redis)]
        plan = Plan.model_validate({"split": {"clients": workload.clients, "test": 2}})
        everyone = [""] * workload.clients  # only their number counts
        sizes = [len(task) for task in split_into_tasks(plan, everyone)]
        self.tasks = [range(last - size, last) for last, size in zip(accumulate(sizes), sizes, strict=True)]
        self.unsettled = workload.clients
        size_of_a_shard = world.shape.shard_size
        self.unsettled_of = [
            min(size_of_a_shard, workload.clients - shard * size_of_a_shard) for shard in range(world.shape.shards)
        ]
        self.objects_of: defaultdict[int, int] = defaultdict(int)
        self.folded: set[int] = set()
        self.is_closed = False
        self.reduces = False
        self.opened_next = world.env.event()
        self.result = SimulatedRound()

    def settle(self, clients: range) -> Iterator[int]:
        """Settle clients, and give the shards that this completes."""
        size = self.world.shape.shard_size
        self.unsettled -= len(clients)
        for shard in range(clients.start // size, (clients.stop - 1) // size + 1):
            settled = len(range(max(clients.start, shard * size), min(clients.stop, (shard + 1) * size)))
            self.unsettled_of[shard] -= settled
            self.objects_of[shard] += 1 if self.world.workload.delivery == "combined" else settled
            if self.unsettled_of[shard] == 0:
                yield shard


def _client_worker(world: World, core: Station) -> Steps:
    known: set[_Round] = set()
    while True:
        current, task = yield world.client_queue.get()
        began_at = world.env.now
        yield from world.take(core)
        yield from world.make(core, current.node, calls.client_task())
        if current not in known:
            known.add(current)
            yield from world.make(core, current.node, calls.opened_round(world.shape))
        yield from _carry_out(world, core, current, task, began_at)


def _carry_out(world: World, core: Station, current: _Round, task: range, began_at: float) -> Steps:
    combined = world.workload.delivery == "combined"
    work = world.times.work["combined_client" if combined else "client"]
    done = task.start
    in_background: simpy.Process | None = None
    while done < task.stop and (done == task.start or world.env.now < began_at + TIME_SLICE_SECONDS):
        clients = range(done, min(done + world.clients_at_once, task.stop))
        yield from world.make(core, current.node, calls.before_training(world.shape, len(clients), combined=combined))
        seconds = world.workload.training_ms / 1000 + work.caller_seconds(world.workload.update_megabytes)
        yield from core.serve(len(clients) * seconds)
        done = clients.stop
        if not combined:
            if in_background is not None:
                yield in_background
            in_background = world.env.process(_deliver(world, core, current, clients))
    if in_background is not None:
        yield in_background
    if combined:
        yield from _deliver_combined(world, core, current, range(task.start, done))
    size = done - task.start
    rest = [range(first, min(first + size, task.stop)) for first in range(done, task.stop, size)]
    if rest:
        yield from world.make(core, world.redis[0], [Call("publish", 1, len(rest))])
        for each in rest:
            world.client_queue.put((current, each))


def _deliver(world: World, core: Station, current: _Round, clients: range) -> Steps:
    yield from world.make(core, current.node, calls.delivery(world.shape, len(clients)))
    yield from _settle(world, core, current, clients)


def _deliver_combined(world: World, core: Station, current: _Round, clients: range) -> Steps:
    size = world.shape.shard_size
    first = clients.start
    while first < clients.stop:
        together = range(first, min(clients.stop, (first // size + 1) * size))
        yield from world.make(core, current.node, calls.combined_delivery(world.shape, len(together)))
        yield from _settle(world, core, current, together)
        first = together.stop


def _settle(world: World, core: Station, current: _Round, clients: range) -> Steps:
    for shard in [*current.settle(clients)]:
        if current.unsettled == 0:
            continue  # control asks for the shards that are left
        yield from world.make(core, world.redis[0], calls.shard_is_complete())
        world.aggregator_queue.put((current, shard))
    if current.unsettled == 0 and not current.result.settled_at:
        current.result.settled_at = world.env.now
        current.result.busy = world.busy()
        world.env.process(_close(world, current))


def _close(world: World, current: _Round) -> Steps:
    yield from world.take(world.control)
    unfolded = [shard for shard in range(world.shape.shards) if shard not in current.folded]
    current.is_closed = True
    yield from world.make(world.control, current.node, calls.close(world.shape, len(unfolded)))
    for shard in unfolded:
        world.aggregator_queue.put((current, shard))
    if not unfolded and not current.reduces:
        current.reduces = True
        world.aggregator_queue.put((current, None))


def _aggregator(world: World, core: Station) -> Steps:
    known: set[_Round] = set()
    while True:
        current, shard = yield world.aggregator_queue.get()
        yield from world.take(core)
        if shard is None:
            yield from _reduce(world, core, current)
        else:
            if current not in known:
                known.add(current)
                yield from world.make(core, current.node, calls.cohort(world.shape))
                yield from world.make(core, current.node, calls.model_version(world.shape))
            yield from _fold(world, core, current, shard)


def _fold(world: World, core: Station, current: _Round, shard: int) -> Steps:
    """A message for a shard that is folded already, since control has asked for it too, costs only the look."""
    yield from world.make(core, current.node, calls.look_at_shard(world.shape))
    if shard not in current.folded:
        yield from sum_shard(world, core, current.node, current.objects_of[shard])
    current.folded.add(shard)
    is_last = current.is_closed and len(current.folded) == world.shape.shards and not current.reduces
    current.reduces |= is_last
    yield from world.make(core, current.node, calls.record_partial(is_last=is_last))
    if is_last:
        world.aggregator_queue.put((current, None))


def sum_shard(world: World, core: Station, node: Station, objects: int) -> Steps:
    """Have an aggregator sum so many objects, updates or combined ones, and put the partial."""
    shape = world.shape
    combined = world.workload.delivery == "combined"
    megabytes = shape.partial_megabytes if combined else shape.update_megabytes
    of_one = world.times.work["merge" if combined else "fold"].caller_seconds(megabytes)
    yield from world.sum_read_ahead(core, node, objects, megabytes, of_one)
    yield from core.serve(world.times.work["shard"].caller_seconds(shape.partial_megabytes))
    yield from world.make(core, node, calls.put_partial(shape))


def _reduce(world: World, core: Station, current: _Round) -> Steps:
    shape = world.shape
    current.result.folded_at = world.env.now
    merge = world.times.work["merge"].caller_seconds(shape.partial_megabytes)
    encode = world.times.work["shard"].caller_seconds(shape.partial_megabytes)
    partials = shape.shards
    fan_in = world.deployment.fan_in
    while fan_in is not None and partials > fan_in:
        merged = ceil(partials / fan_in)
        at_once = min(merged, world.deployment.aggregators)
        of_one = [Call("read_into", fan_in, shape.partial_megabytes), Call("put", 1, shape.partial_megabytes)]
        seconds = fan_in * merge + encode
        mergers = [
            world.env.process(_merge(world, current, of_one, seconds, ceil(merged / at_once))) for _ in range(at_once)
        ]
        yield simpy.AllOf(world.env, mergers)
        partials = merged
    yield from world.make(core, current.node, calls.gather(shape, partials))
    yield from core.serve(partials * merge + world.times.work["reduce"].caller_seconds())
    current.result.averaged_at = world.env.now
    current.result.spread_at = world.env.now
    if shape.has_rows and shape.rows_move:
        pairs = world.workload.spreadout_steps * shape.clients**2
        yield from core.serve(world.times.work["spreadout"].caller_seconds(pairs))
        current.result.spread_at = world.env.now
        putters = [core, *(world.process() for _ in range(world.deployment.row_putters - 1))]
        rows = ceil(shape.clients / len(putters))
        yield simpy.AllOf(world.env, [world.env.process(_put_rows(world, putter, rows)) for putter in putters])
    yield from world.make(core, current.node, calls.put_results(shape))
    current.result.reduced_at = world.env.now
    world.env.process(_finish(world, current))


def _merge(world: World, current: _Round, made: list[Call], seconds: float, times: int) -> Steps:
    core = world.process()
    for _ in range(times):
        yield from world.make(core, current.node, made)
        yield from core.serve(seconds)


def _put_rows(world: World, core: Station, rows: int) -> Steps:
    for first in range(0, rows, _ROWS_AT_ONCE):
        yield from world.put_together(core, min(_ROWS_AT_ONCE, rows - first))


def _finish(world: World, current: _Round) -> Steps:
    """Control takes the aggregation, the evaluator scores the model, and control opens the next round."""
    shape = world.shape
    yield from world.take(world.control)
    yield from world.make(world.control, current.node, calls.take_aggregation(shape))
    evaluator = world.process()
    yield from world.take(evaluator)
    yield from world.make(evaluator, current.node, calls.evaluate(shape))
    yield from evaluator.serve(world.times.work["evaluate"].caller_seconds())
    yield from world.take(world.control)
    yield from world.make(world.control, current.node, calls.finish_and_open(shape, len(current.tasks)))
    yield from world.control.serve(world.times.work["control"].caller_seconds(shape.clients))
    current.result.opened_next_at = world.env.now
    current.opened_next.succeed()
