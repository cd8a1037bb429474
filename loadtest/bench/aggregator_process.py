"""The rates, the memory and the rounds of an aggregator, each measured in a fresh process that does nothing else."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import psutil
import structlog
from pydantic import BaseModel, ConfigDict

from fedface_aggregator.fold import fold
from fedface_aggregator.reduce import reduce
from fedface_aggregator.returned_memory import return_freed_memory
from fedface_core.contracts import object_keys
from fedface_core.domain.update import AcceptedUpdate, accepted_digest
from fedface_learning.seeding import use_deterministic_torch
from fedface_worker.workbench import Workbench
from loadtest.bench.repetitions import Repeated, measure_in_turns
from loadtest.bench.synthetic_round import SyntheticRound

_READ_BYTES: Final = 2**20

ParametersT = ParamSpec("ParametersT")
ResultT = TypeVar("ResultT")


class RateFigures(BaseModel):
    """MB a second of reading updates from the store and of folding them, and the CPU milliseconds that an update takes."""

    model_config = ConfigDict(frozen=True)

    store: Repeated
    fold: Repeated
    store_cpu_ms: Repeated
    fold_cpu_ms: Repeated


class MemoryFigures(BaseModel):
    """Resident memory of an aggregator's process in MB: before the first update, and its largest value.

    Pages of libraries that are first touched by folding or reducing are not counted.
    """

    model_config = ConfigDict(frozen=True)

    updates: int
    idle_mb: float
    peak_folding_mb: float
    """Until all updates were folded for the first time."""
    peak_mb: float
    """Until the round was reduced for the second time."""


def most_mb(model_mb: float) -> float:
    """How much memory above idle an aggregator may take, in MB, with any server optimiser, for models of ``model_mb``."""
    return 3 * model_mb + 100


class RoundTimes(BaseModel):
    """How long a closed round takes if every update is still to be folded."""

    model_config = ConfigDict(frozen=True)

    updates: int
    processes: int
    folding_seconds: float
    reducing_seconds: float
    """From the last partial to the stored model version."""


def run_in_process(
    function: Callable[ParametersT, ResultT], *args: ParametersT.args, **kwargs: ParametersT.kwargs
) -> ResultT:
    """Call a function of a module in a fresh process, and return its result or raise its error."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def measure_rates(synthetic: SyntheticRound, repetitions: int) -> RateFigures:
    """Read every update from the store, then fold every update, ``repetitions`` times after a first time to warm up."""
    workbench = _aggregator(synthetic)
    store = synthetic.location.open()
    keys = [synthetic.key(client) for client in synthetic.accepted]
    megabytes = sum(update.size for update in synthetic.accepted.values()) / 1e6
    cpu_ms: dict[str, list[float]] = {"store": [], "fold": []}

    def timed(name: str, work: Callable[[], object]) -> float:
        cpu_began = time.process_time()
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
        cpu_ms[name].append(1000 * (time.process_time() - cpu_began) / len(keys))
        return megabytes / seconds

    def read_all() -> None:
        for key in keys:
            store.get(key)

    measures = {
        "store": partial(timed, "store", read_all),
        "fold": partial(timed, "fold", partial(_fold_all, workbench, synthetic)),
    }
    measure_in_turns(measures, 1)  # fills the caches
    cpu_ms = {"store": [], "fold": []}
    rates = measure_in_turns(measures, repetitions)
    cpu = {name: Repeated(values=tuple(values)) for name, values in cpu_ms.items()}
    return RateFigures(store=rates["store"], fold=rates["fold"], store_cpu_ms=cpu["store"], fold_cpu_ms=cpu["fold"])


def measure_memory(synthetic: SyntheticRound) -> MemoryFigures:
    """Fold all shards of a round and reduce it, twice, and read the memory of this process meanwhile.

    An aggregator lives for many rounds, and the second finds what the first has left.
    """
    workbench = _aggregator(synthetic)
    idle = _resident_mb()
    _read_libraries()
    libraries = _resident_mb() - idle
    _fold_all(workbench, synthetic)
    folding = _peak_resident_mb() - libraries
    reduce(workbench, synthetic.plan, synthetic.round, synthetic.accepted)
    _fold_all(workbench, synthetic)
    reduce(workbench, synthetic.plan, synthetic.round, synthetic.accepted)
    peak = _peak_resident_mb() - libraries
    return MemoryFigures(updates=len(synthetic.accepted), idle_mb=idle, peak_folding_mb=folding, peak_mb=peak)


def measure_round(synthetic: SyntheticRound, processes: int) -> RoundTimes:
    """Fold all shards in ``processes`` aggregators, each of which takes the next shard, and reduce in this process."""
    workbench = _aggregator(synthetic)
    workbench.models.network(synthetic.plan.model, synthetic.round.model_sha256)
    shards = synthetic.shards()
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker, (synthetic,)) as pool:
        list(pool.map(_fold_in_worker, shards[:processes] * 2))  # now all have started, and have the model
        began = time.perf_counter()
        list(pool.map(_fold_in_worker, shards))
        folded = time.perf_counter()
        reduce(workbench, synthetic.plan, synthetic.round, synthetic.accepted)
        return RoundTimes(
            updates=len(synthetic.accepted),
            processes=processes,
            folding_seconds=folded - began,
            reducing_seconds=time.perf_counter() - folded,
        )


_worker: list[tuple[Workbench, SyntheticRound]] = []  # one entry, in a worker process of `measure_round`


def _start_worker(synthetic: SyntheticRound) -> None:
    _worker.append((_aggregator(synthetic), synthetic))


def _fold_in_worker(shard: Mapping[str, AcceptedUpdate]) -> None:
    _fold(*_worker[0], shard)


def _aggregator(synthetic: SyntheticRound) -> Workbench:
    """The workbench of an aggregator's process as it starts, but without its log."""
    return_freed_memory()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    use_deterministic_torch(1)
    return synthetic.workbench()


def _fold_all(workbench: Workbench, synthetic: SyntheticRound) -> None:
    for shard in synthetic.shards():
        _fold(workbench, synthetic, shard)


def _fold(workbench: Workbench, synthetic: SyntheticRound, shard: Mapping[str, AcceptedUpdate]) -> None:
    current = synthetic.round
    number = current.shard_of_each()[next(iter(shard))]
    key = object_keys.partial(current.run_id, current.number, number, accepted_digest(shard))
    fold(workbench, synthetic.plan, current, key, shard)


def _read_libraries() -> None:
    """Read every page of the libraries that this process has loaded.

    At the first touch of a page, the kernel counts up to 2 MB around it as resident, depending on how the file lies in its
    cache: tens of MB more of libtorch for the same round, of which none is the round's.
    """
    with Path("/proc/self/maps").open(encoding="utf-8") as maps, Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for line in maps.readlines():
            addresses, permissions, *_, path = line.split(maxsplit=5)
            if ".so" in path and permissions.startswith("r"):
                first, end = (int(address, 16) for address in addresses.split("-"))
                memory.seek(first)
                while first < end:
                    first += len(memory.read(min(_READ_BYTES, end - first)))


def _resident_mb() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6


def _peak_resident_mb() -> float:
    """The largest resident memory that this process has had, in MB.

    `psutil` does not tell it on Linux, and `getrusage` counts what the parent had when it started this process.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
