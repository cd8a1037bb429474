"""SIGTERM on a real worker over a real broker: a task that can finish does so, any other goes to another worker.

Celery may take a process that ends at its order for one that was lost, before it reads that the process has finished a task.
Then this one message comes again, which costs nothing: a client whose update is stored does not train again.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fedface_core.domain.client_tasks import TIME_SLICE_SECONDS
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan.devices import LONGEST_WAIT_SECONDS
from fedface_core.runtime.exit_message import CONFIGURATION
from fedface_stack.children import Children
from support.servers import wait_for
from support.slow_worker import HELD
from support.task_queue import TaskQueue, Worker

SHORT, LONG, *OTHERS = map(client_id, range(4))
BRIEF = 0.01
NEVER_ENDING = LONGEST_WAIT_SECONDS


@pytest.fixture
def queue(server_processes: Children, broker_url: str, tmp_path: Path) -> Iterator[TaskQueue]:
    queue = TaskQueue(server_processes, broker_url, tmp_path)
    yield queue
    queue.close()


def ended(worker: Worker) -> Callable[[], bool]:
    return lambda: worker.poll() is not None


def came_again(queue: TaskQueue, others: int) -> int:
    """How many messages are in the queue beside those of so many unfinished tasks: none, or that of the finished one."""
    again = queue.waiting() - others
    assert again in (0, 1)
    assert queue.unacknowledged() == 0
    return again


@pytest.mark.long
def test_a_task_that_ends_within_the_grace_period_is_done_once(queue: TaskQueue) -> None:
    queue.publish((SHORT,))
    worker = queue.work(NEVER_ENDING, **{SHORT: 3})
    queue.await_lines(f"{SHORT} started")
    worker.terminate()
    wait_for("the worker's end, which does not wait for the grace period's", ended(worker))
    assert queue.done() == [f"{SHORT} started", f"{SHORT} finished"]
    came_again(queue, 0)


@pytest.mark.long
def test_a_task_that_does_not_end_goes_back_to_the_queue_and_to_another_worker(queue: TaskQueue) -> None:
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


@pytest.mark.long
def test_of_two_tasks_at_once_the_short_one_finishes(queue: TaskQueue) -> None:
    queue.publish((SHORT,), (LONG,))
    worker = queue.work(8, **{SHORT: 1, LONG: NEVER_ENDING})
    queue.await_lines(f"{SHORT} started", f"{LONG} started")
    worker.terminate()
    wait_for("the worker's end", ended(worker))
    assert queue.done().count(f"{SHORT} finished") == 1
    again = came_again(queue, 1)
    queue.work(1, **{SHORT: NEVER_ENDING, LONG: BRIEF})
    queue.await_lines(f"{LONG} finished")
    assert queue.done().count(f"{SHORT} started") <= 1 + again


def test_the_current_client_of_a_task_finishes_and_the_others_go_back(queue: TaskQueue) -> None:
    queue.publish((SHORT, LONG, *OTHERS))
    worker = queue.work(NEVER_ENDING, **{SHORT: HELD, LONG: NEVER_ENDING})
    queue.await_lines(f"{SHORT} started")
    worker.terminate()
    wait_for("the worker to be asked to end", lambda: any("worker_draining" in line for line in queue.log()))
    time.sleep(TIME_SLICE_SECONDS)  # after that no further client of the task begins
    queue.let_go()
    wait_for("the worker's end, long before the others could be done", ended(worker))
    assert queue.done() == [f"{SHORT} started", f"{SHORT} finished"]
    again = came_again(queue, 1 + len(OTHERS))
    queue.work(1, **dict.fromkeys((SHORT, LONG, *OTHERS), BRIEF))
    queue.await_lines(*(f"{client} finished" for client in (LONG, *OTHERS)))
    assert queue.done().count(f"{SHORT} started") <= 1 + again


@pytest.mark.long
def test_a_worker_whose_metrics_nobody_could_read_ends_and_says_why(
    queue: TaskQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        host, port = taken.getsockname()
        monkeypatch.setenv("FEDFACE_METRICS_HOST", host)
        monkeypatch.setenv("FEDFACE_METRICS_PORT", str(port))
        worker = queue.work(1, **{SHORT: BRIEF})
        wait_for("the worker's end", ended(worker))
    assert worker.returncode == CONFIGURATION
    told = f"FEDFACE_METRICS_HOST, FEDFACE_METRICS_PORT: cannot listen at {host}:{port}: Address already in use"
    assert queue.log()[-1] == f"client: {told}"
    queue.publish((SHORT,))
    monkeypatch.setenv("FEDFACE_METRICS_PORT", "0")
    queue.work(1, **{SHORT: BRIEF})
    queue.await_lines(f"{SHORT} finished")
