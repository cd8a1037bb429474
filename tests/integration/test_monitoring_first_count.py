"""The first count of a kind: a real worker process counts it, and a real Prometheus shows it as an increase of one."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.contracts.tasks import CLIENT, ROUTES
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.ids import client_id
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.children import Children
from fedface_stack.local_ports import free_ports
from support.monitoring import HOST, monitoring_binary, start_prometheus, values
from support.servers import wait_for
from support.slow_worker import JOURNAL, RUN, SECONDS

FAILED = 'fedface_updates_total{outcome="failed"}'
# As the main modules of the services do: the tasks are imported by `run_worker`, once the folder of the metrics is known.
START = """
from fedface_core.runtime.settings import WorkerSettings, load_settings
from fedface_core.runtime.worker import run_worker

run_worker("client", load_settings(WorkerSettings), "support.slow_worker")
"""
REFUSED = 'fedface_dropped_messages_total{queue="client", fault="wrong_command"}'


def reads(url: str, expression: str, value: float) -> bool:
    """Whether the expression has this one value."""
    return values(url, expression) == [value]


def publish(broker_url: str, home: Path) -> None:
    """Publish a task whose client will fail, and a message that is no task."""
    settings = Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory=home)
    with create_celery(settings) as app:
        command = TrainClients(run_id=RUN, round=1, clients=(client_id(0),))
        CeleryPublisher(app, app.keyring).publish(command, correlation_id="abc")
        app.send_task(ROUTES[TrainClients].task, kwargs={"command": {}}, queue=CLIENT)


def increases_by_one(url: str, counter: str) -> bool:
    return [round(value) for value in values(url, f"increase({counter}[1h])")] == [1]


def test_a_first_failure_and_a_first_refusal_are_increases_of_one(
    server_processes: Children, broker_url: str, tmp_path: Path
) -> None:
    binary = monitoring_binary("prometheus")
    (port,) = free_ports(1)
    environment = os.environ | {
        "FEDFACE_REDIS_URL": broker_url,
        "FEDFACE_ARTIFACTS": "directory",
        "FEDFACE_ARTIFACT_DIRECTORY": str(tmp_path),
        "FEDFACE_METRICS_PORT": str(port),
        JOURNAL: str(tmp_path / "journal"),
        SECONDS: f"{client_id(0)}=0.01",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    with ExitStack() as ending:
        worker = server_processes.start([sys.executable, "-c", START], environment, tmp_path / "worker.log")
        ending.callback(server_processes.kill, worker)
        url = start_prometheus(binary, tmp_path, {"client": f"{HOST}:{port}"}, server_processes, ending)
        for counter in (FAILED, REFUSED):
            wait_for(f"{counter} at 0", partial(reads, url, counter, 0.0))
        publish(broker_url, tmp_path)
        for counter in (FAILED, REFUSED):
            # Prometheus extrapolates by up to a scrape at each end, so the first answers may be above one.
            wait_for(f"{counter} at 1", partial(reads, url, counter, 1.0))
            wait_for(f"an increase of {counter} by 1", partial(increases_by_one, url, counter))
            assert values(url, f"rate({counter}[1m])")[0] > 0
