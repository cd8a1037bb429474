"""A worker's ledger and publisher wait while a real Valkey is killed and started again, and they lose nothing."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import CONTROL
from fedface_core.domain.commands import Sweep
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.patience import with_patience
from fedface_core.runtime.settings import Settings
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, valkey
from fedface_stack.local_ports import free_ports
from support.servers import running, wait_for

RUN = Run(id="run-0123456789ab", plan=Plan(), correlation_id="abc", created_at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def _failed_connects() -> Iterator[None]:
    """Collect the clients of failed connects, whose sockets warn that nobody has closed them.

    redis-py leaves the exception of a failed connect in a cycle with its frames, and the frames refer to the client.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("_failed_connects")
def test_ledger_and_publisher_wait_and_then_go_on(server_processes: Children, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    server = valkey(tmp_path, port, "tests-own")
    settings = Settings(
        redis_url=SecretStr(f"redis://:tests-own@{HOST}:{port}/0"), artifacts="directory", artifact_directory=tmp_path
    )
    with create_celery(settings) as app, ThreadPoolExecutor(2) as pool:
        ports = connect(settings, app)
        waiting = with_patience(ports, seconds=120.0)
        with running(server_processes, server, tmp_path):
            ports.ledger.create(RUN)
        with pytest.raises(UnavailableError):  # as the API has it: at once
            ports.ledger.load(RUN.id)
        with structlog.testing.capture_logs() as logs:
            loaded = pool.submit(waiting.ledger.load, RUN.id)
            published = pool.submit(waiting.publisher.publish, Sweep(), correlation_id="abc")
            wait_for("both to wait", lambda: {record.get("dependency") for record in logs} == {"ledger", "broker"})
            with running(server_processes, server, tmp_path):
                assert loaded.result(timeout=90) == RUN
                published.result(timeout=90)
                assert waiting.publisher.queue_depth(CONTROL) == 1
        assert {record["event"] for record in logs} == {"waiting_for_dependency", "dependency_back"}
