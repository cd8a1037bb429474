"""Real servers for the tests, each started once a session on a free port of 127.0.0.1, and ended with it."""

from __future__ import annotations

import dataclasses
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import hypothesis
import pytest
import redis

from fedface_core.adapters.memory import MemoryLedger
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.domain.errors import UnavailableError
from fedface_core.ports import RunLedger
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, seaweedfs, valkey
from fedface_stack.local_ports import free_ports
from support.api_by_hand import api, served_api
from support.command_line import fedface
from support.finished_study import finished
from support.servers import S3Server, running, wait_for

# Fixtures that pytest finds by their names here.
__all__ = ["api", "fedface", "finished", "served_api"]

# A shell without job control starts background commands with SIGINT ignored, and every child inherits that: the tests that
# interrupt one would wait for ever. A handler of ours is reset to the default in whatever we start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# These machines are shared: how long an example takes says nothing of the code.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def server_processes() -> Iterator[Children]:
    """Starts servers. However the tests end, by SIGKILL too, the servers end."""
    with closing(Children()) as children:
        yield children


@pytest.fixture(scope="session")
def valkey_url(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey with a password, database 0. The contract tests use (and empty) databases 8 and 9."""
    home = tmp_path_factory.mktemp("valkey")
    (port,) = free_ports(1)
    with running(server_processes, valkey(home, port, "tests-own"), home):
        yield f"redis://:tests-own@{HOST}:{port}/0"


@pytest.fixture(scope="session")
def redis_url(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The machine's own Redis server, where it has one."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on PATH")
    home = tmp_path_factory.mktemp("redis")
    (port,) = free_ports(1)
    spec = valkey(home, port, "tests-own")
    with running(server_processes, dataclasses.replace(spec, command=(binary, *spec.command[1:])), home):
        yield f"redis://:tests-own@{HOST}:{port}/0"


@pytest.fixture(scope="session")
def s3_server(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A SeaweedFS that refuses bad signatures, with a bucket."""
    home = tmp_path_factory.mktemp("s3")
    master, volume, filer, s3 = free_ports(4)
    server = S3Server(f"{HOST}:{s3}", "tests", "tests-own-secret", "fedface-tests")
    spec = seaweedfs(home, (master, volume, filer, s3), server.access_key, server.secret_key, server.bucket)
    with running(server_processes, spec, home):
        store = server.artifacts()

        def takes_a_put() -> bool:
            try:
                store.put("first", b"put")
            except UnavailableError:
                return False
            return True

        wait_for("the S3 server's first put", takes_a_put)
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
