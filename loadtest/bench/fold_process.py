"""What is measured of an aggregator, each in a process of its own: so its memory and CPU time are the fold's alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import psutil
import structlog
from pydantic import BaseModel, ConfigDict

from fedface_aggregator.fold import fold
from fedface_aggregator.reduce import reduce
from fedface_core.contracts import object_keys
from fedface_core.domain.update import AcceptedUpdate, accepted_digest
from fedface_learning.seeding import use_deterministic_torch
from fedface_worker.workbench import Workbench
from loadtest.bench.repetitions import Repeated, by_turns
from loadtest.bench.synthetic_round import SyntheticRound

AskedT = ParamSpec("AskedT")
GivenT = TypeVar("GivenT")


class Rates(BaseModel):
    """MB a second, by turns: the store alone, and what an aggregator folds. CPU milliseconds an update of either."""

    model_config = ConfigDict(frozen=True)

    store: Repeated
    fold: Repeated
    store_cpu_ms: Repeated
    fold_cpu_ms: Repeated


class Memory(BaseModel):
    """MB of resident memory: before the first update, and at most."""

    model_config = ConfigDict(frozen=True)

    updates: int
    idle_mb: float
    peak_folding_mb: float
    peak_mb: float
    """The reduce included."""


class RoundTimes(BaseModel):
    """Of a round that is closed with every update still to be folded."""

    model_config = ConfigDict(frozen=True)

    updates: int
    processes: int
    folding_seconds: float
    reducing_seconds: float
    """From the last partial to the stored model version."""


def in_a_process(measure: Callable[AskedT, GivenT], *args: AskedT.args, **kwargs: AskedT.kwargs) -> GivenT:
    """Call it in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, *args, **kwargs).result()


def measure_rates(synthetic: SyntheticRound, repetitions: int) -> Rates:
    """Read all updates, each whole and in turn, then fold them; and again."""
    workbench, store = _aggregator(synthetic), synthetic.place.open()
    keys = [object_keys.update(synthetic.round.run_id, 1, client) for client in synthetic.accepted]
    megabytes = sum(update.size for update in synthetic.accepted.values()) / 1e6
    cpu_ms: dict[str, list[float]] = {"store": [], "fold": []}

    def timed(name: str, work: Callable[[], object]) -> float:
        cpu, began = time.process_time(), time.perf_counter()
        work()
        seconds = time.perf_counter() - began
        cpu_ms[name].append(1000 * (time.process_time() - cpu) / len(keys))
        return megabytes / seconds

    def read_all() -> None:
        for key in keys:
            store.get(key)

    def fold_all() -> None:
        for shard in synthetic.shards():
            _fold(workbench, synthetic, shard)

    measures: dict[str, Callable[[], object]] = {"store": read_all, "fold": fold_all}
    by_turns({name: partial(timed, name, work) for name, work in measures.items()}, 1)  # what is cached is cached now
    cpu_ms = {"store": [], "fold": []}
    rates = by_turns({name: partial(timed, name, work) for name, work in measures.items()}, repetitions)
    cpu = {name: Repeated(values=tuple(values)) for name, values in cpu_ms.items()}
    return Rates(store=rates["store"], fold=rates["fold"], store_cpu_ms=cpu["store"], fold_cpu_ms=cpu["fold"])


def measure_memory(synthetic: SyntheticRound) -> Memory:
    """Fold all shards of a round, then reduce it."""
    workbench = _aggregator(synthetic)
    idle = psutil.Process().memory_info().rss / 1e6
    for shard in synthetic.shards():
        _fold(workbench, synthetic, shard)
    folding = _peak_resident_mb()
    reduce(workbench, synthetic.plan, synthetic.round, synthetic.accepted)
    return Memory(updates=len(synthetic.accepted), idle_mb=idle, peak_folding_mb=folding, peak_mb=_peak_resident_mb())


def measure_round(synthetic: SyntheticRound, processes: int) -> RoundTimes:
    """Fold all shards in so many aggregators, each taking the next one, and reduce in this process."""
    workbench = _aggregator(synthetic)
    workbench.models.network(synthetic.plan.model, synthetic.round.model_sha256)
    shards = synthetic.shards()
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker, (synthetic,)) as pool:
        list(pool.map(_fold_in_worker, shards[:processes] * 2))  # they have started, and have the model
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


_worker: list[tuple[Workbench, SyntheticRound]] = []


def _start_worker(synthetic: SyntheticRound) -> None:
    _worker.append((_aggregator(synthetic), synthetic))


def _fold_in_worker(shard: Mapping[str, AcceptedUpdate]) -> None:
    _fold(*_worker[0], shard)


def _aggregator(synthetic: SyntheticRound) -> Workbench:
    """As the service's process is when it has started, but for its log."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    use_deterministic_torch(1)
    return synthetic.workbench()


def _fold(workbench: Workbench, synthetic: SyntheticRound, shard: Mapping[str, AcceptedUpdate]) -> None:
    current = synthetic.round
    number = current.shard_of_each()[next(iter(shard))]
    key = object_keys.partial(current.run_id, current.number, number, accepted_digest(shard))
    fold(workbench, synthetic.plan, current, key, shard)


def _peak_resident_mb() -> float:
    """The most resident memory that this process has had, in MB.

    `psutil` does not tell it on Linux, and `getrusage` counts what the parent had when it started this process.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
