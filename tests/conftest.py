"""Real servers for the tests, each started once a session on a free port of 127.0.0.1, and ended with it."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from fedface_cli.children import Children
from fedface_cli.embedded_servers import HOST, Part, seaweedfs, valkey
from fedface_core.adapters.memory import MemoryLedger
from fedface_core.adapters.redis_ledger import RedisLedger
from fedface_core.adapters.s3_artifacts import S3Artifacts
from fedface_core.domain.errors import UnavailableError
from fedface_core.ports import RunLedger

START_SECONDS = 90.0


@dataclasses.dataclass(frozen=True)
class S3Server:
    """Where a test's S3 server is, its one identity and its bucket."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str


@pytest.fixture(scope="session")
def server_processes() -> Iterator[Children]:
    """Starts servers. However the tests end, by SIGKILL too, the servers end."""
    with closing(Children()) as children:
        yield children


@pytest.fixture(scope="session")
def valkey_url(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey with a password, database 0. The contract tests use (and empty) databases 8 and 9."""
    home, (port,) = tmp_path_factory.mktemp("valkey"), _free_ports(1)
    with _running(server_processes, valkey(home, port, "tests-own"), home):
        yield f"redis://:tests-own@{HOST}:{port}/0"


@pytest.fixture(scope="session")
def redis_url(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The machine's own Redis server, where it has one."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on PATH")
    home, (port,) = tmp_path_factory.mktemp("redis"), _free_ports(1)
    part = valkey(home, port, "tests-own")
    with _running(server_processes, dataclasses.replace(part, command=(binary, *part.command[1:])), home):
        yield f"redis://:tests-own@{HOST}:{port}/0"


@pytest.fixture(scope="session")
def s3_server(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A SeaweedFS that refuses bad signatures, with a bucket."""
    home, ports = tmp_path_factory.mktemp("s3"), _free_ports(4)
    master, volume, filer, s3 = ports
    server = S3Server(f"{HOST}:{s3}", "tests", "tests-own-secret", "fedface-tests")
    part = seaweedfs(home, (master, volume, filer, s3), server.access_key, server.secret_key, server.bucket)
    with _running(server_processes, part, home):
        store = S3Artifacts(server.endpoint, server.bucket, server.access_key, server.secret_key)

        def takes_a_put() -> bool:
            try:
                store.put("first", b"put")
            except UnavailableError:
                return False
            return True

        _wait_for("the S3 server's first put", takes_a_put)
        store.delete("first")
        yield server


@pytest.fixture(params=["memory", "valkey", "redis"])
def ledger(request: pytest.FixtureRequest) -> RunLedger:
    """An empty ledger."""
    if request.param == "memory":
        return MemoryLedger()
    return RedisLedger(_empty_database(request.getfixturevalue(f"{request.param}_url"), 9))


@pytest.fixture
def ledger_url(valkey_url: str) -> str:
    """An empty database for a ledger."""
    return _empty_database(valkey_url, 9)


@pytest.fixture
def broker_url(valkey_url: str) -> str:
    """An empty database for Celery's queues."""
    return _empty_database(valkey_url, 8)


def _empty_database(url: str, number: int) -> str:
    """The URL of database ``number`` on the same server, emptied."""
    at = urlsplit(url)._replace(path=f"/{number}").geturl()
    with redis.Redis.from_url(at) as client:
        client.flushdb()
    return at


@contextmanager
def _running(children: Children, part: Part, home: Path) -> Iterator[None]:
    log = home / f"{part.name}.log"
    process = children.start(part.command, part.environment, log)
    try:

        def is_ready() -> bool:
            assert process.poll() is None, f"{part.name} ended:\n{log.read_text()[-2000:]}"
            return part.is_ready()

        _wait_for(part.name, is_ready)
        yield
    finally:
        children.kill(process)  # at once: a SeaweedFS takes 10 s to stop by itself, and nobody will read its files


def _wait_for(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: not after {START_SECONDS:.0f} s"
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, as are those 10,000 above, which SeaweedFS takes for its own traffic."""
    ports: list[int] = []
    with ExitStack() as held:
        for port in range(15_000 + time.time_ns() % 5_000, 22_000):
            probes = [held.enter_context(socket.socket()) for _ in range(2)]
            try:
                for probe, number in zip(probes, (port, port + 10_000), strict=True):
                    probe.bind((HOST, number))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise AssertionError(f"there are no {count} free ports")
