"""A Valkey and a SeaweedFS with the users and policies of the table, and connections as each identity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from fedface_stack.children import Children
from support.guarded_servers import Broker, Store, guarded_seaweedfs


@pytest.fixture
def broker(guarded_broker: Broker) -> Broker:
    with closing(guarded_broker.operator()) as client:
        client.flushdb()
    return guarded_broker


@pytest.fixture(scope="session")
def store(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with guarded_seaweedfs(server_processes, tmp_path_factory.mktemp("guarded-store")) as started:
        yield started
