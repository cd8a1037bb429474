"""What every test has: the same surroundings, its share of the cores, and real servers.

Each server is started once in each worker process, on a free port of 127.0.0.1, and ends with it.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import chdir, closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
import structlog

from fedface_core.access.permissions import Identity
from fedface_core.adapters.memory import ManualClock, MemoryLedger
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.domain.errors import UnavailableError
from fedface_core.ports import RunLedger
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, seaweedfs, valkey
from fedface_stack.local_ports import free_ports
from support.api_by_hand import api, served_api
from support.browser import browser
from support.command_line import fedface
from support.finished_study import finished
from support.guarded_servers import Broker, guarded_ledger_server
from support.required_parts import redis_server
from support.servers import S3Server, running, wait_for
from support.signing import key_of_all_services
from support.stride import Stride
from support.surroundings import audible_interrupts, neutral_environment, traced_processes, unhurried_examples

# Fixtures that pytest finds by their names here.
__all__ = ["api", "browser", "fedface", "finished", "served_api"]

neutral_environment()
audible_interrupts()
unhurried_examples()


DEFAULT_STRIDE = Stride(7)
"""An odd one: what alternates from one moment to the next is met in both states."""
TESTS = Path(__file__).parent
COVERED_SUITES = ("unit", "contract")
"""The tests of single modules. What only a whole run reaches is not called covered, and whole runs are not slowed down."""
SLOW_SUITES = ("model", "e2e", "integration", "security")
"""The longest first."""
SLOW_FIXTURES = {"valkey_url", "guarded_broker", "guarded_redis", "redis_url", "s3_server", "stack", "finished", "stride"}
"""Real servers, a local stack, a study that takes processes half a minute, and the same code at many moments of a run."""
SERVER_PARAMETERS = {"valkey", "redis", "s3", "celery"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--stride``."""
    parser.addoption(
        "--stride",
        type=Stride.parsed,
        default=DEFAULT_STRIDE,
        metavar="STEP[:FIRST]",
        help="tests of a run's moments go through each STEP-th, from number FIRST on, and try so many fewer examples",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Mark what is slow before pytest leaves out what `-m` does not ask for, and share out what is left."""
    for item in items:
        if _slow_suite(item) is not None or _uses_slow_fixture(item) or item.get_closest_marker("long"):
            item.add_marker("slow")
        if "stride" in getattr(item, "fixturenames", ()):
            item.add_marker("exhaustive")
        if item.path.relative_to(TESTS).parts[0] not in COVERED_SUITES:
            item.add_marker("no_cover")
    yield
    _share_out(items)


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over what stays until the end: modules and tests. It looks at them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _share_out(items: list[pytest.Item]) -> None:
    """Order the tests so that the worker processes have equal shares: file by file, slow files first.

    pytest-xdist gives each worker an equal slice of the list, and has who is done take from the end of another's. Files that
    use the finished study stay together, so that it is made once.
    """
    blocks: dict[Path | str, list[pytest.Item]] = {}
    for item in items:
        together = "finished" in getattr(item, "fixturenames", ())
        blocks.setdefault("finished" if together else item.path, []).append(item)
    slow_first = sorted(blocks.values(), key=_urgency)
    slices: list[list[pytest.Item]] = [[] for _ in range(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))]
    for tests in slow_first:
        min(slices, key=len).extend(tests)
    items[:] = [test for tests in slices for test in tests]


def _slow_suite(item: pytest.Item) -> str | None:
    """The slow suite that a test belongs to."""
    return next((suite for suite in SLOW_SUITES if suite in item.path.parts), None)


def _urgency(tests: list[pytest.Item]) -> int:
    """Where a block comes in the order: slow suites in their order, then others with a slow test, then all else."""
    suite = _slow_suite(tests[0])
    if suite is not None:
        return SLOW_SUITES.index(suite)
    return len(SLOW_SUITES) + (not any(test.get_closest_marker("slow") for test in tests))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Log as structlog does by default, whatever an earlier test has set.

    Trace the processes that a test starts only if the test asks for it: they take half as long again if traced.
    """
    structlog.reset_defaults()
    traced_processes(asked_for=item.get_closest_marker("traced_processes") is not None)


def _uses_slow_fixture(item: pytest.Item) -> bool:
    """Whether a test asks for a slow fixture, or for a real server by a parameter that names one."""
    if not isinstance(item, pytest.Function):
        return False
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    named = {value for value in parameters if isinstance(value, str)}
    return bool(SLOW_FIXTURES & {*item.fixturenames} or SERVER_PARAMETERS & named)


@pytest.fixture(scope="session")
def stride(pytestconfig: pytest.Config) -> Stride:
    """Which of a run's moments an exhaustive test goes through: those that ``--stride`` says."""
    chosen = pytestconfig.getoption("stride")
    assert isinstance(chosen, Stride)
    return chosen


@pytest.fixture(scope="session", autouse=True)
def _keys(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The processes that tests start believe each other, and this one."""
    os.environ.update(key_of_all_services(tmp_path_factory.mktemp("keys")))


@pytest.fixture(scope="session", autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The tests run in an empty folder: none finds by chance what lies where they were started."""
    with chdir(tmp_path_factory.mktemp("elsewhere")):
        yield


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """A command that runs in the tests' process leaves no handler behind: a later test's forks would inherit it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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
def guarded_broker(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Valkey whose users are those of the table of `fedface_core.access`."""
    with guarded_ledger_server("valkey", server_processes, tmp_path_factory.mktemp("guarded-broker")) as broker:
        yield broker


@pytest.fixture(scope="session")
def redis_url(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The machine's own Redis server, where it has one."""
    binary = redis_server()
    home = tmp_path_factory.mktemp("redis")
    (port,) = free_ports(1)
    spec = valkey(home, port, "tests-own")
    with running(server_processes, dataclasses.replace(spec, command=(*spec.command[:-1], binary)), home):
        yield f"redis://:tests-own@{HOST}:{port}/0"


@pytest.fixture(scope="session")
def s3_server(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A SeaweedFS that refuses bad signatures, with a bucket."""
    home = tmp_path_factory.mktemp("s3")
    master, volume, filer, s3 = free_ports(4)
    server = S3Server(f"{HOST}:{s3}", "tests", "tests-own-secret", "fedface-tests")
    spec = seaweedfs(home, (master, volume, filer, s3), server.access_key, server.secret_key, server.bucket)
    with running(server_processes, spec, home) as process:
        store = server.artifacts()

        def takes_a_put() -> bool:
            try:
                store.put("first", b"put")
            except UnavailableError:
                return False
            return True

        wait_for("the S3 server's first put", takes_a_put)
        store.delete("first")
        yield dataclasses.replace(server, pid=process.pid)


@pytest.fixture
def ledger_clock() -> ManualClock:
    """The clock of `ledger`."""
    return ManualClock(datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC))


@pytest.fixture(params=["memory", "valkey", "redis"])
def ledger(request: pytest.FixtureRequest, ledger_clock: ManualClock) -> RunLedger:
    """An empty ledger, whose time a test can set. Valkey's is used with the rights of control, and no others."""
    if request.param == "memory":
        return MemoryLedger(ledger_clock)
    if request.param == "valkey":
        broker: Broker = request.getfixturevalue("guarded_broker")
        with closing(broker.operator()) as operator:
            operator.flushall()
        return RedisLedger(broker.url(Identity.CONTROL), clock=ledger_clock)
    return RedisLedger(_empty_database(request.getfixturevalue(f"{request.param}_url"), 9), clock=ledger_clock)


@pytest.fixture
def ledger_url(valkey_url: str) -> str:
    """An empty database for a ledger."""
    return _empty_database(valkey_url, 9)


@pytest.fixture
def broker_url(valkey_url: str) -> str:
    """An empty database for Celery's queues."""
    return _empty_database(valkey_url, 8)


def _empty_database(url: str, number: int) -> str:
    """The URL of database ``number`` on the same server, emptied.

    Who is still connected to it is cut off: to a worker that was killed a moment ago, and still waits by the books of the
    server, the next message would be given, and lost.
    """
    at = urlsplit(url)._replace(path=f"/{number}").geturl()
    with redis.Redis.from_url(at) as client:
        own = str(client.client_id())
        for other in client.client_list():
            if other["db"] == str(number) and other["id"] != own:
                client.client_kill_filter(_id=other["id"])
        client.flushdb()
    return at
