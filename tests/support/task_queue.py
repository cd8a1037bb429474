"""A broker's queue, workers that take its tasks, and the journal of what they did."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import redis
from pydantic import SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.commands import TrainClients
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.children import Children
from support.servers import wait_for
from support.slow_worker import JOURNAL, RUN, SECONDS

Worker = subprocess.Popen[bytes]


class TaskQueue:
    """The client queue of the broker at ``broker_url``. Logs and the journal are in ``home``.

    ``processes`` is the number of processes of each worker that is started from then on.
    """

    def __init__(self, children: Children, broker_url: str, home: Path) -> None:
        self.broker = redis.Redis.from_url(broker_url, decode_responses=True)
        self.processes = 2
        self._children = children
        self._broker_url = broker_url
        self._home = home
        self._workers: list[Worker] = []

    def publish(self, *tasks: tuple[str, ...]) -> None:
        """Publish a task for each of these groups of clients."""
        settings = Settings(redis_url=SecretStr(self._broker_url), artifacts="directory", artifact_directory=self._home)
        with create_celery(settings) as app:
            commands = [TrainClients(run_id=RUN, round=1, clients=clients) for clients in tasks]
            CeleryPublisher(app, app.keyring).publish_all(commands, correlation_id="abc")

    def work(self, grace_seconds: float, **seconds: float) -> Worker:
        """Start a worker; ``seconds`` says how long each client takes."""
        environment = os.environ | {
            "FEDFACE_REDIS_URL": self._broker_url,
            "FEDFACE_ARTIFACTS": "directory",
            "FEDFACE_ARTIFACT_DIRECTORY": str(self._home),
            "FEDFACE_GRACE_SECONDS": str(grace_seconds),
            "FEDFACE_CONCURRENCY": str(self.processes),
            JOURNAL: str(self._home / "journal"),
            SECONDS: ",".join(f"{client}={duration}" for client, duration in seconds.items()),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        log = self._home / f"worker-{len(self._workers)}.log"
        worker = self._children.start([sys.executable, "-m", "support.slow_worker"], environment, log)
        self._workers.append(worker)
        return worker

    def let_go(self) -> None:
        """Let the clients finish that take until then (`HELD`)."""
        (self._home / "journal.go").touch()

    def done(self) -> list[str]:
        """The lines of the journal."""
        journal = self._home / "journal"
        return journal.read_text().splitlines() if journal.exists() else []

    def await_lines(self, *lines: str) -> None:
        """Return once the journal has these lines."""
        wait_for(f"the journal's {lines}", lambda: set(lines) <= set(self.done()))

    def log(self) -> Sequence[str]:
        """The lines of the newest worker's log."""
        return (self._home / f"worker-{len(self._workers) - 1}.log").read_text().splitlines()

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
        """Kill the workers."""
        for worker in self._workers:
            self._children.kill(worker)
        self.broker.close()
