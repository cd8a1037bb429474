"""Redis answers and refuses: a real worker waits as for one that is away, and the API says why. Then both go on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_core.adapters.memory import MemoryArtifacts, RecordingPublisher
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.ports import Ports
from fedface_stack.children import Children
from support.open_sign_in import open_sign_in
from support.problem_details import problem
from support.redis_states import (
    REFUSING_WRITES,
    State,
    busy,
    configured,
    with_another_password,
    without_memory,
    without_replicas,
)
from support.servers import wait_for
from support.slow_worker import HELD
from support.task_queue import TaskQueue

pytestmark = pytest.mark.long

FIRST, SECOND, LAST = map(client_id, range(7, 10))
BRIEF = 0.01
# Here Redis refuses the wait for messages itself. With a full memory it refuses only to record one.
REFUSING: dict[str, State] = {
    **{name: state for name, state in REFUSING_WRITES.items() if state is not without_memory},
    "password": with_another_password,
}


@pytest.fixture
def queue(server_processes: Children, broker_url: str, tmp_path: Path) -> Iterator[TaskQueue]:
    queue = TaskQueue(server_processes, broker_url, tmp_path)
    yield queue
    queue.close()


@pytest.fixture
def server(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


def waits(queue: TaskQueue) -> int:
    """How often the worker's log says that it waits."""
    return sum("Cannot connect to" in line for line in queue.log())


def test_an_idle_worker_waits_and_goes_on(queue: TaskQueue, server: redis.Redis) -> None:
    clients = dict(zip(REFUSING, map(client_id, range(7)), strict=False))
    worker = queue.work(BRIEF, **dict.fromkeys([*clients.values(), LAST], BRIEF))
    queue.publish((LAST,))
    queue.await_lines(f"{LAST} finished")
    for state, client in clients.items():
        before = waits(queue)
        with REFUSING[state](server):
            wait_for(f"the worker to wait: {state}", lambda: waits(queue) > before)  # noqa: B023 - it is called at once
        queue.publish((client,))
        queue.await_lines(f"{client} finished")
        assert worker.poll() is None, state
    assert len(queue.done()) == 2 * len([*clients, LAST]), "each task is done once"


def test_a_task_that_could_not_be_recorded_is_done_later(queue: TaskQueue, server: redis.Redis) -> None:
    """With a full memory Redis still gives a message away, and then does not record who has it."""
    queue.processes = 1
    worker = queue.work(BRIEF, **{FIRST: HELD, SECOND: BRIEF, LAST: BRIEF})
    queue.publish((FIRST,), (SECOND,), (LAST,))
    queue.await_lines(f"{FIRST} started")
    with without_memory(server):
        queue.let_go()
        queue.await_lines(f"{FIRST} finished")
        wait_for("the worker to wait", lambda: waits(queue) > 0)
        assert (queue.waiting(), queue.unacknowledged()) == (1, 0)
    queue.await_lines(f"{SECOND} finished", f"{LAST} finished")
    assert queue.done()[2:] == [f"{client} {what}" for client in (SECOND, LAST) for what in ("started", "finished")]
    assert worker.poll() is None


@pytest.mark.parametrize("state", [without_replicas, busy])
def test_a_worker_whose_acknowledgement_is_refused_takes_the_next_task(
    queue: TaskQueue, server: redis.Redis, state: State
) -> None:
    """Its only place must not stay taken by the task that it could not acknowledge."""
    queue.processes = 1
    worker = queue.work(BRIEF, **{FIRST: 2, SECOND: BRIEF})
    queue.publish((FIRST,))
    queue.await_lines(f"{FIRST} started")
    with state(server):
        queue.await_lines(f"{FIRST} finished")
        wait_for("the worker to wait", lambda: waits(queue) > 0)
    queue.publish((SECOND,))
    queue.await_lines(f"{SECOND} finished")
    assert worker.poll() is None


def test_the_api_answers_503_with_the_reason(ledger_url: str, server: redis.Redis) -> None:
    ports = Ports(RedisLedger(ledger_url), MemoryArtifacts(), RecordingPublisher(), SystemClock())
    with TestClient(create_app(ports, CollectorRegistry(), open_sign_in()), raise_server_exceptions=False) as api:
        with without_replicas(server):
            refused = problem(api.post("/v1/runs", json=Plan().model_dump(mode="json")), 503, "Unavailable")
            ready = api.get("/readyz")
        assert "NOREPLICAS" in refused.detail
        assert "see that they run" in refused.detail
        assert ready.status_code == 503
        assert "NOREPLICAS" in ready.json()["checks"]["ledger"]
        assert api.get("/readyz").status_code == 200


@pytest.mark.parametrize(("module", "name"), [("support.slow_worker", "client"), ("fedface_control.api", "control")])
def test_a_service_refuses_a_server_that_may_evict(
    broker_url: str, server: redis.Redis, tmp_path: Path, module: str, name: str
) -> None:
    environment = os.environ | {
        "FEDFACE_REDIS_URL": broker_url,
        "FEDFACE_ARTIFACTS": "directory",
        "FEDFACE_ARTIFACT_DIRECTORY": str(tmp_path),
        "FEDFACE_API_OPEN": "true",
        "TEST_TASK_SECONDS": f"{FIRST}=1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    with configured(server, "maxmemory-policy", "allkeys-lru"):
        command = [sys.executable, "-m", module]
        refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"{name}: Redis has the maxmemory-policy allkeys-lru: it would forget runs, updates and tasks once its memory is "
        "full; set maxmemory-policy noeviction in its configuration"
    )
    assert "Traceback" not in refused.stderr
