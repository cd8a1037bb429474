"""States in which a real Redis answers and does not serve: each is entered for a block, and left after it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from support.servers import wait_for

State = Callable[[redis.Redis], AbstractContextManager[None]]


@contextmanager
def configured(server: redis.Redis, name: str, value: str | int) -> Iterator[None]:
    """Change one part of the server's configuration."""
    before = _text(server.config_get(name), name)
    server.config_set(name, value)
    try:
        yield
    finally:
        server.config_set(name, before)


def without_replicas(server: redis.Redis) -> AbstractContextManager[None]:
    """It has no replica, and must have one."""
    return configured(server, "min-replicas-to-write", 1)


def without_memory(server: redis.Redis) -> AbstractContextManager[None]:
    """Its memory is full."""
    return configured(server, "maxmemory", 1)


@contextmanager
def as_replica(server: redis.Redis) -> Iterator[None]:
    """It is the replica of a primary that is away, and serves what it has."""
    server.replicaof("127.0.0.1", "1")
    try:
        yield
    finally:
        server.replicaof("NO", "ONE")


@contextmanager
def without_disk(server: redis.Redis) -> Iterator[None]:
    """It cannot write its snapshot, since a directory has the name of the file."""
    snapshot = Path(_text(server.config_get("dir"), "dir")) / "dump.rdb"
    snapshot.unlink(missing_ok=True)
    (snapshot / "in the way").mkdir(parents=True)
    server.config_set("save", "3600 1")
    try:
        server.bgsave()
        wait_for("the snapshot to fail", lambda: _text(server.info("persistence"), "rdb_last_bgsave_status") == "err")
        yield
    finally:
        shutil.rmtree(snapshot)
        server.config_set("save", "")
        server.bgsave()
        wait_for("the snapshot", lambda: _text(server.info("persistence"), "rdb_last_bgsave_status") == "ok")


@contextmanager
def busy(server: redis.Redis) -> Iterator[None]:
    """Somebody's script never ends."""
    patient = server.connection_pool.connection_kwargs | {"socket_timeout": None, "retry": Retry(NoBackoff(), 0)}

    def never_end() -> None:
        with redis.Redis.from_pool(redis.ConnectionPool(**patient)) as client, suppress(redis.ResponseError):
            client.eval("while true do end", 0)  # until it is killed

    one = redis.ConnectionPool(**server.connection_pool.connection_kwargs)
    with configured(server, "lua-time-limit", 50), redis.Redis.from_pool(one) as connected:
        connected.ping()  # while it may: a busy Redis lets no client choose its database
        script = threading.Thread(target=never_end)
        script.start()
        try:
            wait_for("the script", lambda: _answers_busy(connected))
            yield
        finally:
            connected.script_kill()
            script.join()


@contextmanager
def with_another_password(server: redis.Redis) -> Iterator[None]:
    """Its password has changed, and it has closed all connections."""
    with configured(server, "requirepass", "another"):
        server.client_kill_filter(_type="normal", skipme=True)
        yield


REFUSING_WRITES: Mapping[str, State] = {
    "NOREPLICAS": without_replicas,
    "READONLY": as_replica,
    "OOM": without_memory,
    "MISCONF": without_disk,
}


def _answers_busy(server: redis.Redis) -> bool:
    try:
        server.ping()
    except redis.ResponseError as error:
        return str(error).startswith("BUSY")
    return False


def _text(answer: Any, name: str) -> str:
    """A value of an answer, whether the client decodes answers or not."""
    value = answer[name] if name in answer else answer[name.encode()]
    return value.decode() if isinstance(value, bytes) else str(value)
