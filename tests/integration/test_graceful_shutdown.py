"""SIGTERM on a real worker over a real broker: a task that can finish is done once, any other goes to another worker."""

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


class Queue:
    """A broker's queue, workers that take its tasks, and the journal of what they did."""

    def __init__(self, children: Children, broker_url: str, home: Path) -> None:
        self.broker = redis.Redis.from_url(broker_url, decode_responses=True)
        self._children = children
        self._broker_url = broker_url
        self._home = home
        self._workers: list[Worker] = []

    def publish(self, *tasks: tuple[str, ...]) -> None:
        """Publish a task for each of these groups of clients."""
        settings = Settings(redis_url=SecretStr(self._broker_url), artifacts="directory", artifact_directory=self._home)
        with create_celery(settings) as app:
            commands = [TrainClients(run_id=RUN, round=1, clients=clients) for clients in tasks]
            CeleryPublisher(app).publish_all(commands, correlation_id="abc")

    def work(self, grace_seconds: float, **seconds: float) -> Worker:
        """Start a worker; ``seconds`` says how long each client takes."""
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
        """The lines of the journal."""
        journal = self._home / "journal"
        return journal.read_text().splitlines() if journal.exists() else []

    def await_lines(self, *lines: str) -> None:
        wait_for(f"the journal's {lines}", lambda: set(lines) <= set(self.done()))

    def waiting(self) -> int:
        """The number of messages in the queue."""
        depth = self.broker.llen(CLIENT)
        assert isinstance(depth, int)
        return depth

    def unacknowledged(self) -> int:
        """The number of messages that a worker has taken and not acknowledged."""
        count = self.broker.hlen("unacked")
        assert isinstance(count, int)
        return count

    def close(self) -> None:
        for worker in self._workers:
            self._children.kill(worker)
        self.broker.close()


@pytest.fixture
def queue(server_processes: Children, broker_url: str, tmp_path: Path) -> Iterator[Queue]:
    queue = Queue(server_processes, broker_url, tmp_path)
    yield queue
    queue.close()


def ended(worker: Worker) -> Callable[[], bool]:
    return lambda: worker.poll() is not None


def test_a_task_that_ends_within_the_grace_period_is_done_once(queue: Queue) -> None:
    queue.publish((SHORT,))
    worker = queue.work(NEVER_ENDING, **{SHORT: 3})
    queue.await_lines(f"{SHORT} started")
    worker.terminate()
    wait_for("the worker's end, which does not wait for the grace period's", ended(worker))
    assert queue.done() == [f"{SHORT} started", f"{SHORT} finished"]
    assert (queue.waiting(), queue.unacknowledged()) == (0, 0)


def test_a_task_that_does_not_end_goes_back_to_the_queue_and_to_another_worker(queue: Queue) -> None:
    queue.publish((LONG,))
    worker = queue.work(1, **{LONG: NEVER_ENDING})
    queue.await_lines(f"{LONG} started")
    worker.terminate()
    wait_for("the worker's end", ended(worker))
    assert (queue.waiting(), queue.unacknowledged()) == (1, 0)
    queue.work(1, **{LONG: BRIEF})
    queue.await_lines(f"{LONG} finished")
    wait_for("the acknowledgement", lambda: queue.unacknowledged() == 0)
    assert queue.done() == [f"{LONG} started"] * 2 + [f"{LONG} finished"]
    assert queue.waiting() == 0


def test_of_two_tasks_at_once_the_short_one_finishes(queue: Queue) -> None:
    queue.publish((SHORT,), (LONG,))
    worker = queue.work(8, **{SHORT: 1, LONG: NEVER_ENDING})
    queue.await_lines(f"{SHORT} started", f"{LONG} started")
    worker.terminate()
    wait_for("the worker's end", ended(worker))
    assert queue.done().count(f"{SHORT} finished") == 1
    assert (queue.waiting(), queue.unacknowledged()) == (1, 0)
    queue.work(1, **{SHORT: NEVER_ENDING, LONG: BRIEF})
    queue.await_lines(f"{LONG} finished")
    assert queue.done().count(f"{SHORT} started") == 1


def test_the_current_client_of_a_task_finishes_and_the_others_go_back(queue: Queue) -> None:
    queue.publish((SHORT, LONG, *OTHERS))
    worker = queue.work(NEVER_ENDING, **{SHORT: 3, LONG: NEVER_ENDING})
    queue.await_lines(f"{SHORT} started")
    worker.terminate()
    wait_for("the worker's end, long before the others could be done", ended(worker))
    assert queue.done() == [f"{SHORT} started", f"{SHORT} finished"]
    assert (queue.waiting(), queue.unacknowledged()) == (1 + len(OTHERS), 0)
    queue.work(1, **dict.fromkeys((LONG, *OTHERS), BRIEF))
    queue.await_lines(*(f"{client} finished" for client in (LONG, *OTHERS)))
    assert queue.done().count(f"{SHORT} started") == 1
