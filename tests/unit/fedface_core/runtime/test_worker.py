"""How a worker starts: with a folder of shared metrics that is empty and known before its tasks are imported, and with a
broker that keeps what it was told.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedface_stack.local_ports import free_ports

# In a process of its own: a worker configures logging and Celery's signals, which are never undone.
START = """
import resource
import sys
from pathlib import Path
from pydantic import SecretStr
from fedface_core.runtime.exit_message import exit_message
from fedface_core.runtime.settings import WorkerSettings
from fedface_core.runtime.worker import run_worker

for metrics_directory in (Path(sys.argv[1]), None):
    settings = WorkerSettings(
        redis_url=SecretStr("redis://:own@redis:6379/0"), artifacts="directory", artifact_directory=Path("/artifacts"),
        metrics_directory=metrics_directory,
    )
    with exit_message("client"):
        run_worker("client", settings, "tasks_of_test", beat=True)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""

TASKS = """
import os
from contextlib import contextmanager
from pathlib import Path

from celery.signals import worker_shutting_down
from fedface_core.domain.errors import EvictingLedgerError

assert "PROMETHEUS_MULTIPROC_DIR" in os.environ

class Connection:
    connection_errors = (ConnectionError, EvictingLedgerError)
    channel_errors = ()

    def connect(self):
        raise BROKER


class App:
    @contextmanager
    def connection_for_read(self):
        yield Connection()

    def worker_main(self, arguments):
        worker_shutting_down.send(self, sig="SIGTERM", how="Cold", exitcode=0)
        print(*arguments)

def create(settings):
    metrics = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    print(metrics)
    print(*(file.name for file in metrics.iterdir()))
    return App(), []
"""


def test_a_worker_removes_the_metrics_of_earlier_processes_and_a_temporary_folder(tmp_path: Path) -> None:
    (tmp_path / "tasks_of_test.py").write_text(TASKS + "\nBROKER = ConnectionError('away')")
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    (metrics / "counter_17.db").write_bytes(b"old")
    (metrics / "notes.txt").write_bytes(b"somebody's")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    command = [sys.executable, "-c", START, str(metrics)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    lines = [line for line in done.stdout.splitlines() if "broker_unavailable" not in line]
    assert len(lines) == len(done.stdout.splitlines()) - 2, "each worker says that its broker is away, and waits for it"
    folder, files, arguments, temporary_folder, temporary_files, _, open_files = lines
    assert (folder, files) == (str(metrics), "notes.txt")
    assert metrics.is_dir()
    assert temporary_folder != folder
    assert temporary_files == ""
    assert not Path(temporary_folder).exists()
    assert "--queues client" in arguments
    assert "--beat --scheduler celery.beat:Scheduler" in arguments
    soft, hard = map(int, open_files.split())
    assert soft >= min(hard, 1025), "as many open files as it may have"


def test_a_worker_refuses_a_broker_that_may_evict_and_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "tasks_of_test.py").write_text(TASKS + "\nBROKER = EvictingLedgerError('Redis may evict')")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    environment["TMPDIR"] = str(tmp_path / "temporary")
    (tmp_path / "temporary").mkdir()
    command = [sys.executable, "-c", START.replace("(Path(sys.argv[1]), None)", "(None,)")]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (refused.returncode, refused.stderr) == (1, "client: Redis may evict\n")
    assert "--queues" not in refused.stdout
    assert list((tmp_path / "temporary").iterdir()) == []


# A task counts; then the worker is ready, and what it exports is printed, with what it says of itself in the broker.
COUNT = """
import os, sys, urllib.request
from pathlib import Path
from unittest.mock import MagicMock
from celery.signals import worker_process_shutdown, worker_ready, worker_shutting_down
from pydantic import SecretStr
from fedface_core.runtime import worker
from fedface_core.runtime.settings import WorkerSettings

class App:
    conf = MagicMock(broker_url="redis://127.0.0.1:1/0")

    def connection_for_read(self):
        return MagicMock()  # a broker that is there

    def worker_main(self, arguments):
        worker_shutting_down.send(self, sig="SIGTERM", how="Cold", exitcode=0)
        from prometheus_client import Counter, Gauge
        Counter("counted", "").inc()
        Gauge("alive", "", multiprocess_mode="liveall").set(1)
        worker_ready.send(self)
        print(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[2]}/metrics").read().decode())
        worker_process_shutdown.send(self, pid=os.getpid())
        print(*(file.name for file in Path(sys.argv[1]).iterdir()))

sys.modules["tasks_of_test"] = type(sys)("tasks_of_test")
sys.modules["tasks_of_test"].create = lambda settings: (App(), [])
settings = WorkerSettings(
    redis_url=SecretStr("redis://redis"), artifacts="directory", artifact_directory=Path("/artifacts"),
    metrics_directory=Path(sys.argv[1]), metrics_port=int(sys.argv[2]),
)
said = []
worker.keep_saying = lambda client, queue, presence, stopped: said.append((queue, presence.model_dump(exclude={"name"})))
worker.run_worker("client", settings, "tasks_of_test", device="cuda", torch="2.13.0+cu130", gpu="NVIDIA H100")
while not said:
    pass
print("presence", *said)
"""


@pytest.mark.parametrize("name", ["metrics", "[my] metrics*?"])
def test_the_metrics_of_all_processes_are_exported_whatever_their_folder_is_called(tmp_path: Path, name: str) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-c", COUNT, str(tmp_path / name), str(port)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "counted_total 1.0" in done.stdout
    *_, files, presence = done.stdout.splitlines()
    assert "gauge_liveall" not in files, "the gauges of a process that has ended are removed"
    said = {"device": "cuda", "processes": 1, "torch": "2.13.0+cu130", "gpu": "NVIDIA H100"}
    assert presence == f"presence {('client-cuda', said)}"
