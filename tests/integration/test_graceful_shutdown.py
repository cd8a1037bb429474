"""SIGTERM on a real worker over a real broker: what can finish finishes once, what cannot is another worker's at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan.devices import LONGEST_WAIT_SECONDS
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.children import Children
from support.servers import wait_for
from support.slow_worker import JOURNAL, RUN, SECONDS

SHORT, LONG, *OTHERS = map(client_id, range(4))
BRIEF = 0.01
NEVER_ENDING = LONGEST_WAIT_SECONDS

Worker = subprocess.Popen[bytes]


class Bench:
    """A broker's queue, workers on it, and the journal of what they did."""

    def __init__(self, children: Children, broker_url: str, home: Path) -> None:
        self.broker = redis.Redis.from_url(broker_url, decode_responses=True)
        self._children, self._broker_url, self._home = children, broker_url, home
        self._workers: list[Worker] = []

    def publish(self, *tasks: tuple[str, ...]) -> None:
        """Tasks of these clients each."""
        settings = Settings(redis_url=SecretStr(self._broker_url), artifacts="directory", artifact_directory=self._home)
        with create_celery(settings) as app:
            commands = [TrainClients(run_id=RUN, round=1, clients=clients) for clients in tasks]
            CeleryPublisher(app).publish_all(commands, correlation_id="abc")

    def work(self, grace_seconds: float, **seconds: float) -> Worker:
        """Start a worker whose clients take these seconds each."""
        environment = os.environ | {
            "FEDFACE_REDIS_URL": self._broker_url,
            "FEDFACE_ARTIFACTS": "directory",
            "FEDFACE_ARTIFACT_DIRECTORY": str(self._home),
            "FEDFACE_GRACE_SECONDS": str(grace_seconds),
            "FEDFACE_CONCURRENCY": "2",
            JOURNAL: str(self._home / "journal"),
            SECONDS: ",".join(f"{client}={duration}" for client, duration in seconds.items()),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        log = self._home / f"worker-{len(self._workers)}.log"
        worker = self._children.start([sys.executable, "-m", "support.slow_worker"], environment, log)
        self._workers.append(worker)
        return worker

    def done(self) -> list[str]:
        journal = self._home / "journal"
        return journal.read_text().splitlines() if journal.exists() else []

    def await_lines(self, *lines: str) -> None:
        wait_for(f"the journal's {lines}", lambda: set(lines) <= set(self.done()))

    def waiting(self) -> int:
        """Messages in the queue."""
        depth = self.broker.llen(CLIENT)
        assert isinstance(depth, int)
        return depth

    def unacknowledged(self) -> int:
        """Messages that the broker believes to be with a worker."""
        held = self.broker.hlen("unacked")
        assert isinstance(held, int)
        return held

    def close(self) -> None:
        for worker in self._workers:
            self._children.kill(worker)
        self.broker.close()


@pytest.fixture
def bench(server_processes: Children, broker_url: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(server_processes, broker_url, tmp_path)
    yield bench
    bench.close()


def ended(worker: Worker) -> Callable[[], bool]:
    return lambda: worker.poll() is not None


def test_a_task_that_ends_within_the_grace_period_is_done_once(bench: Bench) -> None:
    bench.publish((SHORT,))
    worker = bench.work(NEVER_ENDING, **{SHORT: 3})
    bench.await_lines(f"{SHORT} started")
    worker.terminate()
    wait_for("the worker's end, which does not wait for the grace period's", ended(worker))
    assert bench.done() == [f"{SHORT} started", f"{SHORT} finished"]
    assert (bench.waiting(), bench.unacknowledged()) == (0, 0)


def test_a_task_that_does_not_is_back_in_the_queue_and_done_by_another_worker(bench: Bench) -> None:
    bench.publish((LONG,))
    worker = bench.work(1, **{LONG: NEVER_ENDING})
    bench.await_lines(f"{LONG} started")
    worker.terminate()
    wait_for("the worker's end", ended(worker))
    assert (bench.waiting(), bench.unacknowledged()) == (1, 0)
    bench.work(1, **{LONG: BRIEF})
    bench.await_lines(f"{LONG} finished")
    wait_for("the acknowledgement", lambda: bench.unacknowledged() == 0)
    assert bench.done() == [f"{LONG} started"] * 2 + [f"{LONG} finished"]
    assert bench.waiting() == 0


def test_one_of_two_that_run_side_by_side_finishes(bench: Bench) -> None:
    bench.publish((SHORT,), (LONG,))
    worker = bench.work(8, **{SHORT: 1, LONG: NEVER_ENDING})
    bench.await_lines(f"{SHORT} started", f"{LONG} started")
    worker.terminate()
    wait_for("the worker's end", ended(worker))
    assert bench.done().count(f"{SHORT} finished") == 1
    assert (bench.waiting(), bench.unacknowledged()) == (1, 0)
    bench.work(1, **{SHORT: NEVER_ENDING, LONG: BRIEF})
    bench.await_lines(f"{LONG} finished")
    assert bench.done().count(f"{SHORT} started") == 1


def test_of_a_task_of_many_the_client_in_hand_finishes_and_the_others_go_back(bench: Bench) -> None:
    bench.publish((SHORT, LONG, *OTHERS))
    worker = bench.work(NEVER_ENDING, **{SHORT: 3, LONG: NEVER_ENDING})
    bench.await_lines(f"{SHORT} started")
    worker.terminate()
    wait_for("the worker's end, long before the others could be done", ended(worker))
    assert bench.done() == [f"{SHORT} started", f"{SHORT} finished"]
    assert (bench.waiting(), bench.unacknowledged()) == (1 + len(OTHERS), 0)
    bench.work(1, **dict.fromkeys((LONG, *OTHERS), BRIEF))
    bench.await_lines(*(f"{client} finished" for client in (LONG, *OTHERS)))
    assert bench.done().count(f"{SHORT} started") == 1
