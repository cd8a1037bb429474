"""What a call of the ledger, the broker or the store costs: the processor time of the server, and of who calls it.

Every call is one that the services make, on a Valkey and an S3 server of their own. What grows with the clients or the bytes
is measured twice, with few and with many; the difference is what each of them adds. Of a directory, whose disk flushes what
is put, it is also measured how long a call waits.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil
from pydantic import SecretStr
from redis import Redis

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.domain.commands import FoldShard
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.domain.ids import client_id, new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import open_round
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate, group_digest
from fedface_core.ports import ArtifactStore, RunLedger, TaskPublisher
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_core.signing.keys import own_keys
from loadtest.bench.own_servers import own_redis, own_s3
from loadtest.scale.service_times import Cost, split_by_units

COHORTS: Final = (1_000, 20_000)
MEGABYTES: Final = (0.001, 1.18)
"""Of an object: a row of W, and an update of the reference network."""

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SHA256: Final = "0" * 64
_ACCEPTED: Final = AcceptedUpdate(
    sha256=_SHA256, size=1_180_000, images=10, loss_before=0.5, loss_after=0.4, started_from=_SHA256
)
_SETTLED_SECONDS: Final = 0.05  # a server may answer before it has done all its work for a call
_WAITED_SECONDS: Final = 1e-5  # shorter waits are the distance of two clocks


def measure_services(source: str) -> dict[str, dict[str, Cost]]:
    """For the table `calls` and for each kind of store: call → its cost. ``source`` says where and how it was measured."""
    with tempfile.TemporaryDirectory(prefix="fedface-bench-") as directory, ExitStack() as servers:
        workdir = Path(directory)
        url = servers.enter_context(own_redis(workdir))
        s3 = servers.enter_context(own_s3(workdir))
        settings = Settings(redis_url=SecretStr(url), artifacts="directory", artifact_directory=workdir)
        of_redis = Meter(_time_of_redis(servers.enter_context(Redis.from_url(url))), source)
        for clients in COHORTS:
            _measure_round(RedisLedger(url), of_redis, clients)
        with create_celery(settings, "control") as app:
            _measure_broker(CeleryPublisher(app, own_keys()), of_redis)
        of_s3 = Meter(_time_of_process(s3.pid), source)
        of_directory = Meter(None, source)
        for megabytes in MEGABYTES:
            _measure_objects(s3.artifacts(), of_s3, megabytes)
            _measure_objects(LocalArtifacts(workdir / "artifacts"), of_directory, megabytes)
        return {"calls": of_redis.costs, "s3": of_s3.costs, "directory": of_directory.costs}


class Meter:
    """Measures calls by the processor time of this process, and of a server: ``server`` gives the seconds that it used.

    Without a server it also measures what a call takes beyond processor time: it waits for the disk, or on a busy machine
    for a core, so of many calls the median counts.
    """

    def __init__(self, server: Callable[[], float] | None, source: str) -> None:
        self.costs: dict[str, Cost] = {}
        self._server = server
        self._source = source
        self._first: dict[str, tuple[float, Cost]] = {}

    def measure(self, name: str, times: int, call: Callable[[int], object], units: float = 0.0, unit: str = "") -> None:
        """Measure ``call(0)``, ``call(1)`` and so on; their mean is the cost of ``name`` for ``units``.

        Measured again with more units, it becomes a fixed cost and one for each unit.
        """
        measured = self._measured(times, call)
        if name not in self._first:
            self._first[name] = (units, measured)
            self.costs[name] = measured
            return
        fewer, first = self._first[name]
        self.costs[name] = split_by_units(first, fewer, measured, units, unit)

    def _measured(self, times: int, call: Callable[[int], object]) -> Cost:
        server_before = self._server() if self._server else 0.0
        caller_before = time.process_time()
        idle = [_idle_seconds()]
        for index in range(times):
            call(index)
            idle.append(_idle_seconds())
        caller = time.process_time() - caller_before
        server = 0.0
        waited = 0.0
        if self._server:
            time.sleep(_SETTLED_SECONDS)
            server = self._server() - server_before
        else:
            waited = median(after - before for before, after in pairwise(idle))
        return Cost(
            server_ms=1000 * server / times,
            caller_ms=1000 * caller / times,
            waiting_ms=1000 * waited if waited > _WAITED_SECONDS else 0.0,
            measured=self._source,
        )


def _idle_seconds() -> float:
    """It grows while this process computes nothing."""
    return time.perf_counter() - time.process_time()


def _time_of_redis(client: Redis) -> Callable[[], float]:
    """By its own account, which is exact to the microsecond."""

    def used() -> float:
        info: Any = client.info("cpu")
        return float(info["used_cpu_user"] + info["used_cpu_sys"])

    return used


def _time_of_process(pid: int) -> Callable[[], float]:
    """By the system's account, which is exact to ten milliseconds."""
    process = psutil.Process(pid)

    def used() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    return used


def _measure_round(ledger: RunLedger, meter: Meter, clients: int) -> None:
    """What the services ask of the ledger in a round of so many clients."""
    plan = Plan.model_validate({"name": "scale", "split": {"clients": clients, "test": 2}})
    everyone = tuple(client_id(index) for index in range(clients))
    run = Run(id=new_run_id(), plan=plan, correlation_id="c" * 32, created_at=_NOW).started(_NOW)
    ledger.create(run)
    number = 4

    def save_opened(number: int) -> None:
        nonlocal run
        opened = open_round(plan, run.id, number, everyone, _SHA256, datetime.now(UTC))
        run = ledger.save(run.in_round(number), "round_opened", opened=opened)

    def save(_: int) -> None:
        nonlocal run
        run = ledger.save(run, "round_closed", changed=ledger.load_round(run.id, number - 1))

    of_cohort = (float(clients), "client of the cohort")
    meter.measure("save_opened", number + 1, save_opened, *of_cohort)
    meter.measure("load_round", 30, lambda _: ledger.load_round(run.id, number), *of_cohort)
    meter.measure("tally", 30, lambda _: ledger.tally(run.id, number), *of_cohort)
    if clients == COHORTS[0]:
        meter.measure("load", 300, lambda _: ledger.load(run.id))
        meter.measure("now", 300, lambda _: ledger.now())
        meter.measure("touch", 300, lambda _: ledger.touch(run.id, number))
        meter.measure("save", 100, save)
        meter.measure("begin_attempt", 1000, lambda index: ledger.begin_attempt(run.id, number, everyone[index]))
        meter.measure("record_partial", 300, lambda index: ledger.record_partial(run.id, number, index % 30))
        meter.measure("failed", 300, lambda _: ledger.failed(run.id, number))
        meter.measure("accept", clients, lambda index: ledger.accept(run.id, number, everyone[index], _ACCEPTED))
        meter.measure("round_state", 300, lambda _: ledger.round_state(run.id, number))
        meter.measure("round_summary", 300, lambda _: ledger.round_summary(run.id, number))
        for count, times in ((1, 300), (500, 30)):
            meter.measure(
                "accepted",
                times,
                lambda _, count=count: ledger.accepted(run.id, number, everyone[:count]),  # type: ignore[misc]
                float(count),
                "client given",
            )
    else:
        _measure_combined(ledger, meter, run.id, number, everyone, plan.shard_size_for(len(everyone)))
    meter.measure("accepted_clients", 30, lambda _: ledger.accepted_clients(run.id, number), *of_cohort)


def _measure_combined(ledger: RunLedger, meter: Meter, run_id: str, number: int, everyone: Sequence[str], size: int) -> None:
    """Settle all clients of a round by shards: first one of each, then the others together."""

    def accept_all(given: Sequence[str]) -> None:
        updates = dict.fromkeys(given, _ACCEPTED.model_copy(update={"group": group_digest(given)}))
        ledger.accept_all(run_id, number, updates)

    for first, last in ((0, 1), (1, size)):
        meter.measure(
            "accept_all",
            len(everyone) // size,
            lambda shard, first=first, last=last: accept_all(  # type: ignore[misc]
                everyone[shard * size + first : shard * size + last]
            ),
            float(last - first),
            "client given",
        )


def _measure_broker(publisher: TaskPublisher, meter: Meter) -> None:
    """The publishing of tasks, as control does it."""
    command = FoldShard(run_id=new_run_id(), round=1, shard=0)

    def publish(count: int) -> None:
        publisher.publish_all([command] * count, correlation_id="c" * 32)

    meter.measure("publish", 100, lambda _: publish(1), 1.0, "message")
    meter.measure("publish", 10, lambda _: publish(500), 500.0, "message")


def _measure_objects(store: ArtifactStore, meter: Meter, megabytes: float) -> None:
    """The requests of the store, of objects of this size."""
    data = bytes(round(1e6 * megabytes))
    buffer = bytearray(len(data))
    times = 300 if megabytes < 1 else 100
    key = f"runs/{new_run_id()}/rounds/1/updates"

    def missing(index: int) -> None:
        try:
            store.size(f"{key}/missing-{index}")
        except ArtifactMissingError:
            return

    def put_rows(turn: int, count: int) -> None:
        store.put_all({f"{key}/{count}-{turn}-{row}": (data,) for row in range(count)})

    of_bytes = (megabytes, "MB")
    meter.measure("put", times, lambda index: store.put(f"{key}/{index}", data), *of_bytes)
    meter.measure("read_into", times, lambda index: store.read_into(f"{key}/{index}", 0, buffer), *of_bytes)
    meter.measure("get", times, lambda index: store.get(f"{key}/{index}"), *of_bytes)
    if megabytes == MEGABYTES[0]:
        meter.measure("size", 300, missing)
        for count in (8, 200):
            meter.measure("put_all", 5, lambda turn, count=count: put_rows(turn, count), float(count), "object")  # type: ignore[misc]
