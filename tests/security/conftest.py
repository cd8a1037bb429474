"""Servers with the users and policies of the table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from fedface_stack.children import Children
from support.guarded_servers import SERVERS, Broker, Store, guarded_ledger_server, guarded_seaweedfs


@pytest.fixture(scope="session")
def guarded_redis(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with guarded_ledger_server("redis-server", server_processes, tmp_path_factory.mktemp("guarded-redis")) as started:
        yield started


@pytest.fixture(params=SERVERS)
def broker(request: pytest.FixtureRequest) -> Broker:
    guarded: Broker = request.getfixturevalue("guarded_broker" if request.param == "valkey" else "guarded_redis")
    with closing(guarded.operator()) as client:
        client.flushdb()
    return guarded


@pytest.fixture(scope="session")
def guarded_store(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with guarded_seaweedfs(server_processes, tmp_path_factory.mktemp("guarded-store")) as started:
        yield started


@pytest.fixture
def store(guarded_store: Store) -> Store:
    """The store, emptied: whatever an earlier test has left, and however that ended."""
    everything = guarded_store.operator()
    everything.delete_all(everything.keys(""))
    return guarded_store
