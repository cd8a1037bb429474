"""What a client costs its worker beside its training and its calls, and what its update costs the aggregator.

All services work in this process, on a ledger and a store in its memory, as their tasks have them work, signatures
included; but no client takes a step. Counted is processor time, less that of ledger, store and queue, and less the one look
at an image that stands for the training. Of some rounds the median counts. What grows with the bytes is measured with two
networks.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any, Final, Literal

from pydantic import BaseModel

from fedface_control.operate.run import create_run, start_run
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.signed_artifacts import SignedArtifacts
from fedface_core.domain.commands import FoldShard, TrainClients
from fedface_core.domain.plan import Plan
from fedface_core.ports import Ports
from fedface_core.runtime.metrics import CountedArtifacts
from fedface_core.signing.keys import own_keys
from fedface_learning.seeding import use_deterministic_torch
from loadtest.bench.no_op_plan import TINY_NETWORK
from loadtest.bench.reference_workload import REFERENCE_NETWORK
from loadtest.bench.signature_cost import services
from loadtest.bench.signature_meter import SignatureMeter
from loadtest.bench.training_speeds import training_milliseconds
from loadtest.scale.service_times import Cost, split_by_units

NETWORKS: Final = ((TINY_NETWORK, 0.009), (REFERENCE_NETWORK, 1.18))
"""Each with the megabytes of an update."""

_OF_SUMS: Final = ("merge", "shard")
"""What grows with the bytes of a sum, which has 64 bits for each 32 of an update."""
CLIENTS: Final = 32
"""Of a round, in one shard and one task, or by `_FEW`."""
_FEW: Final = 4
_ROUNDS: Final = 15


def measure_work(source: str, rounds: int = _ROUNDS) -> dict[str, Cost]:
    """Piece of work → its cost. ``source`` says where and how it was measured."""
    use_deterministic_torch(1)
    (small, fewer), (large, more) = ((_milliseconds(network, rounds), megabytes) for network, megabytes in NETWORKS)
    costs = {}
    for name in small:
        size = 2 if name in _OF_SUMS else 1
        # Of little work a difference can be below zero, by noise.
        first, second = (Cost(caller_ms=max(0.0, pieces[name]), measured=source) for pieces in (small, large))
        costs[name] = split_by_units(first, size * fewer, second, size * more, "MB")
    return costs


def _milliseconds(network: dict[str, Any], rounds: int) -> dict[str, float]:
    """The pieces of work for updates of this network."""
    single = _Rounds(network, rounds, "single", CLIENTS, CLIENTS)
    small_shards = _Rounds(network, rounds, "single", _FEW, _FEW)
    combined = _Rounds(network, rounds, "combined", CLIENTS, CLIENTS)
    by_fours = _Rounds(network, rounds, "combined", CLIENTS, _FEW)
    fold = (single.of(FoldShard) - small_shards.of(FoldShard)) / (CLIENTS - _FEW)
    merge = (by_fours.of(FoldShard) - combined.of(FoldShard)) / (CLIENTS // _FEW - 1)
    looked = training_milliseconds(single.plan, images=1, clients=CLIENTS)
    return {
        "client": single.of(TrainClients) / CLIENTS - looked,
        "combined_client": combined.of(TrainClients) / CLIENTS - looked,
        "fold": fold,
        "merge": merge,
        "shard": single.of(FoldShard) - CLIENTS * fold,
    }


class _Rounds:
    """The rounds of a run of `CLIENTS` clients, in shards of ``shard`` and in tasks of ``task`` clients, one after the
    other.
    """

    def __init__(
        self, network: dict[str, Any], rounds: int, delivery: Literal["single", "combined"], shard: int, task: int
    ) -> None:
        self.plan = Plan.model_validate(
            {
                "model": network,
                "data": {"dataset": "synthetic", "images_per_identity": 2, "images_per_client": 1},
                "split": {"clients": CLIENTS, "test": 2},
                "cohort": {"shard_size": shard},
                "local_training": {"steps": 0},
                "spreadout": {"steps": 0},
                "delivery": delivery,
                "rounds": rounds + 1,  # in the first one, processes fetch the photographs and the model
            }
        )
        self._task = task
        self._spent: defaultdict[tuple[type[BaseModel], int], list[float]] = defaultdict(list)
        self._in_ports = SignatureMeter()
        self._publisher = RecordingPublisher()
        self._carry_out(self._ports())

    def of(self, command: type[BaseModel]) -> float:
        """The milliseconds of such a message, as the median of all rounds but the first."""
        return 1000 * median(
            seconds for (kind, number), spent in self._spent.items() if kind is command and number > 1 for seconds in spent
        )

    def _ports(self) -> Ports:
        clock = ManualClock()  # it stands still, so no task uses up its time slice
        ledger: Any = _Timed(MemoryLedger(clock), self._in_ports)
        store: Any = _Timed(MemoryArtifacts(clock), self._in_ports)
        signed = SignedArtifacts(store, own_keys())
        publisher: Any = _Timed(self._publisher, self._in_ports)
        return Ports(ledger, CountedArtifacts(signed), publisher, clock, signed)

    def _carry_out(self, ports: Ports) -> None:
        handlers = services(ports)
        run = create_run(ports, self.plan)
        start_run(ports, run.id, "start")
        waiting = self._publisher.published
        while waiting:
            command, correlation_id = waiting.pop(0)
            if isinstance(command, TrainClients):
                command = self._task_of(command, correlation_id)
            self._in_ports.reset()
            began = time.process_time()
            handlers[type(command)](command, correlation_id)
            spent = time.process_time() - began - self._in_ports.seconds
            self._spent[type(command), getattr(command, "round", 0)].append(spent)

    def _task_of(self, first: TrainClients, correlation_id: str) -> TrainClients:
        """The next task of so many clients, out of all that wait. The rest waits."""
        waiting = self._publisher.published
        tasks = [first, *(command for command, _ in waiting if isinstance(command, TrainClients))]
        clients = tuple(client for task in tasks for client in task.clients)
        waiting[:] = [message for message in waiting if not isinstance(message[0], TrainClients)]
        if rest := clients[self._task :]:
            waiting.insert(0, (first.model_copy(update={"clients": rest}), correlation_id))
        return first.model_copy(update={"clients": clients[: self._task]})


class _Timed:
    """Passes calls on to a port, and has ``meter`` count the processor time that they take."""

    def __init__(self, port: object, meter: SignatureMeter) -> None:
        self._port = port
        self._meter = meter

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._port, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return method(*arguments, **named)
            finally:
                self._meter.add_since(began)

        return timed
