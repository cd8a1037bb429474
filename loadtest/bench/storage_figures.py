"""What the upkeep of a store with many ended runs costs: on a Valkey and a store of their own, without any service."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

import redis
import structlog

from fedface_control.api.run_metrics import RunMetrics
from fedface_control.operate.run import delete_run
from fedface_control.sweep import sweep
from fedface_control.upkeep.claims import claim_for_earlier_runs
from fedface_control.upkeep.garbage import collect_garbage_page
from fedface_control.upkeep.restore import restore_all
from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.adapters.memory import RecordingPublisher
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.contracts import object_keys
from fedface_core.ports import ArtifactStore, Ports
from loadtest.bench.ended_runs import put_ended_runs, run_id
from loadtest.bench.own_servers import own_redis, own_s3
from loadtest.bench.report import BenchmarkReport

RUNS_TO_A_STRAY: Final = 25
"""In this many runs there is one object that nothing names."""

_REPEAT_AFTER: Final = timedelta(minutes=1)
_PAGE: Final = 1000  # as large as the pages that the command line asks the API for


class StorageReport(BenchmarkReport):
    """What `fedface bench storage` reports."""

    artifacts: Literal["directory", "s3"]
    runs: int
    objects: int
    seconds: dict[str, float]
    """What was done → how many seconds it took, in the order in which it was done."""


@contextmanager
def empty_ports(artifacts: Literal["directory", "s3"]) -> Iterator[tuple[Ports, Callable[[], object]]]:
    """Ports on servers of their own, which end with the block, and a function that loses all that the ledger holds."""
    with tempfile.TemporaryDirectory(prefix="fedface-bench-") as directory, ExitStack() as servers:
        workdir = Path(directory)
        url = servers.enter_context(own_redis(workdir))
        store: ArtifactStore
        if artifacts == "directory":
            store = LocalArtifacts(workdir / "artifacts")
        else:
            store = servers.enter_context(own_s3(workdir)).artifacts()
        client = servers.enter_context(redis.Redis.from_url(url))
        yield Ports(RedisLedger(url), store, RecordingPublisher(), SystemClock()), client.flushdb


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Only errors are logged: a line for each run would hide the table."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**before)


def measure_storage(ports: Ports, runs: int, lose_ledger: Callable[[], object]) -> dict[str, float]:
    """Put ended runs, and do with them what an operator, the sweep, a scrape and a restart do. What → its seconds.

    There are at least two ``runs``. ``lose_ledger`` loses all that the ledger holds.
    """
    seconds: dict[str, float] = {}

    def timed(what: str, act: Callable[[], object]) -> None:
        started = time.perf_counter()
        act()
        seconds[what] = time.perf_counter() - started

    def delete_one() -> None:
        delete_run(ports, run_id(0), run_id(0))
        sweep(ports, _REPEAT_AFTER)

    timed("put the runs", lambda: put_ended_runs(ports, runs))
    for index in range(1, runs, RUNS_TO_A_STRAY):
        ports.artifacts.put(object_keys.class_embeddings(run_id(index), "f" * 64), b"left behind")
    timed("claim the models of all runs, once after an upgrade", lambda: claim_for_earlier_runs(ports))
    timed("sweep", lambda: sweep(ports, _REPEAT_AFTER))
    timed("scrape", lambda: [*RunMetrics(ports).collect()])
    timed("delete one run", delete_one)
    timed("find garbage", lambda: collect_all_garbage(ports, dry_run=True))
    timed("collect garbage", lambda: collect_all_garbage(ports, dry_run=False))
    lose_ledger()
    timed("restore the ledger", lambda: restore_all(ports))
    return seconds


def collect_all_garbage(ports: Ports, *, dry_run: bool) -> int:
    """Collect garbage of any age, page by page as the command line does. Returns how many objects nothing named."""
    found = 0
    after: str | None = ""
    while after is not None:
        page = collect_garbage_page(ports, timedelta(), after=after, limit=_PAGE, dry_run=dry_run)
        found += len(page.keys)
        after = page.next
    return found
