"""Whatever bytes a stranger puts into a queue: a real worker on a real broker drops each message once, keeps it among the
dead letters, and goes on; it ends when it is asked to, and says so if it ends otherwise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import redis
from pydantic import SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.adapters.redis.dead_letters import RedisDeadLetters
from fedface_core.contracts.broker_keys import DEAD_LETTERS
from fedface_core.contracts.tasks import AGGREGATOR
from fedface_core.domain.commands import FoldShard
from fedface_core.domain.dead_letter import LONGEST_BEGINNING, MOST_LETTERS
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.dead_letters import bury
from fedface_core.runtime.received_message import MessageFault, UnreadableMessageError
from fedface_core.runtime.settings import Settings
from fedface_stack.children import Children
from fedface_stack.local_ports import free_ports
from support.malformed_messages import malformed
from support.noting_worker import JOURNAL
from support.servers import wait_for

RUN = "run-0123456789ab"


def environment_for(broker_url: str, home: Path) -> dict[str, str]:
    return os.environ | {
        "FEDFACE_REDIS_URL": broker_url,
        "FEDFACE_ARTIFACTS": "directory",
        "FEDFACE_ARTIFACT_DIRECTORY": str(home),
        JOURNAL: str(home / "journal"),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


class Queue:
    """The aggregator's queue: honest messages, and the worker that serves it and notes them."""

    def __init__(self, processes: Children, url: str, home: Path) -> None:
        self.processes = processes
        self.url = url
        self.home = home
        self.journal = home / "journal"
        self.journal.touch()
        settings = Settings(redis_url=SecretStr(url), artifacts="directory", artifact_directory=home)
        app = create_celery(settings)
        self.publisher = CeleryPublisher(app, app.keyring)

    def publish(self, shard: int) -> None:
        self.publisher.publish(FoldShard(run_id=RUN, round=0, shard=shard), correlation_id="abc")

    def await_note(self, shard: int) -> None:
        wait_for(f"shard {shard}", lambda: str(shard) in self.journal.read_text(encoding="utf-8").split())

    @contextmanager
    def served(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        environment = environment_for(self.url, self.home) | more
        command = [sys.executable, "-m", "support.noting_worker"]
        worker = self.processes.start(command, environment, self.home / "worker.log")
        try:
            yield worker
        finally:
            self.processes.kill(worker)


@pytest.fixture
def queue(server_processes: Children, broker_url: str, tmp_path: Path) -> Queue:
    return Queue(server_processes, broker_url, tmp_path)


@pytest.mark.long
def test_a_worker_drops_each_malformed_message_once_and_goes_on(queue: Queue, broker: Any) -> None:
    queue.publish(0)
    messages = malformed(broker.lrange(AGGREGATOR, 0, 0)[0])
    for raw in messages.values():
        broker.lpush(AGGREGATOR, raw)
    # What a worker of before the attack has taken, as kombu records it, and what kombu would never record.
    for tag, record in {"1": b"not JSON", "2": b"[1]", "3": b'[{}, "", "nobody"]', "4": b'[null, "", "aggregator"]'}.items():
        broker.hset("unacked", tag, record)
        broker.zadd("unacked_index", {tag: 1})
    broker.zadd("unacked_index", {"5": 1})
    queue.publish(1)
    (port,) = free_ports(1)
    with queue.served(FEDFACE_METRICS_PORT=str(port)) as worker:
        queue.await_note(1)
        wait_for("what lay among the taken messages to go", lambda: broker.zcard("unacked_index") == 0)
        assert (broker.llen(AGGREGATOR), broker.hlen("unacked")) == (0, 0)
        assert broker.xlen(DEAD_LETTERS) == len(messages) + 4
        assert worker.poll() is None
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        counted = [line for line in lines if line.startswith("fedface_dropped_messages_total{")]
        assert sum(float(line.split()[-1]) for line in counted) == len(messages) + 4
        worker.terminate()
        wait_for("the end", lambda: worker.poll() is not None)
    assert worker.returncode == 0
    assert queue.journal.read_text(encoding="utf-8").split() == ["0", "1"]


@pytest.mark.long
def test_a_worker_that_ends_unasked_says_so_by_its_status(queue: Queue) -> None:
    with queue.served(TEST_END_UNASKED="1") as worker:
        wait_for("the end", lambda: worker.poll() is not None)
    assert worker.returncode == 1
    assert "aggregator: the worker ended though nobody asked it to" in (queue.home / "worker.log").read_text()


@pytest.mark.long
def test_nobody_steers_a_worker_from_afar(queue: Queue, broker: Any) -> None:
    queue.publish(0)
    with queue.served() as worker:
        queue.await_note(0)
        with create_celery(
            Settings(redis_url=SecretStr(queue.url), artifacts="directory", artifact_directory=queue.home)
        ) as app:
            assert app.control.ping(timeout=0.5) == []
            app.control.broadcast("shutdown")
        queue.publish(1)
        queue.await_note(1)
        assert worker.poll() is None
        assert broker.pubsub_channels() == []


def test_the_dead_letters_are_bounded_and_can_be_looked_at(broker: Any, broker_url: str, tmp_path: Path) -> None:
    error = UnreadableMessageError(MessageFault.NOT_JSON, "password=verysecret\x1b[2J " + "x" * 10_000)
    for number in range(MOST_LETTERS + 5):
        bury(broker, AGGREGATOR, b"%d\x1b\xff" % number + b"x" * (2 * LONGEST_BEGINNING), error)
    letters = RedisDeadLetters(broker_url).newest(MOST_LETTERS)
    assert len(letters) == MOST_LETTERS
    assert letters[0].beginning.startswith(f"{MOST_LETTERS + 4}\x1b")
    assert broker.memory_usage(DEAD_LETTERS) < MOST_LETTERS * (2 * LONGEST_BEGINNING + 1000)
    command = [sys.executable, "-m", "fedface_core.dead_letters"]
    printed = subprocess.run(
        command, env=environment_for(broker_url, tmp_path), capture_output=True, check=True, timeout=60
    ).stdout
    assert printed.isascii()
    assert b"\x1b" not in printed
    assert b"verysecret" not in printed
    first = json.loads(printed.splitlines()[0])
    assert (first["queue"], first["fault"], first["bytes"]) == (AGGREGATOR, "not_json", 2 * LONGEST_BEGINNING + 5)


def test_a_broker_that_does_not_take_a_dead_letter_costs_the_letter_only(broker: Any) -> None:
    broker.set(DEAD_LETTERS, "a stranger's")
    bury(broker, AGGREGATOR, b"x", UnreadableMessageError(MessageFault.NOT_JSON, "x"))
    assert broker.get(DEAD_LETTERS) == b"a stranger's"
