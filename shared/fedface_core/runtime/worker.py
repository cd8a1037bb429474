"""How a Celery worker process starts: settings, logs, metrics over all its pool processes, then Celery's own loop."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown, worker_ready, worker_shutting_down

from fedface_core.runtime.logging import configure_logging
from fedface_core.runtime.settings import WorkerSettings

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger(__name__)


def run_worker(
    service: str,
    settings: WorkerSettings,
    tasks_module: str,
    *,
    in_each_process: Callable[[], None] | None = None,
    beat: bool = False,
) -> None:
    """Serve ``service``'s queue until SIGTERM, which lets the running tasks finish within the grace period.

    ``tasks_module`` has ``create(settings) -> (Celery, collectors)``: the app with its tasks, and Prometheus collectors that
    this worker exports besides its counters. It is imported here, once the environment says that metrics are shared
    between processes, which prometheus_client reads only when it is first imported.
    """
    configure_logging(settings, service)
    # Celery leaves the loggers alone where somebody answers this signal; its own set-up would drop all but warnings.
    setup_logging.connect(lambda **_: None, weak=False)
    directory = settings.metrics_directory or Path(tempfile.mkdtemp(prefix=f"fedface-{service}-metrics-"))
    _wipe(directory)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    app, collectors = import_module(tasks_module).create(settings)
    _serve_metrics_when_ready(settings, collectors)
    _end_within(settings.grace_seconds)
    if in_each_process is not None:
        worker_process_init.connect(lambda **_: in_each_process(), weak=False)
    try:
        _run(app, service, beat=beat)
    finally:
        if settings.metrics_directory is None:
            shutil.rmtree(directory, ignore_errors=True)


def _run(app: Celery, service: str, *, beat: bool) -> None:
    name = f"{service}@%h-{os.getpid()}"
    # The plain scheduler keeps its times in memory: an interval needs no file that outlives the process.
    scheduler = ["--beat", "--scheduler", "celery.beat:Scheduler"] if beat else []
    app.worker_main(
        ["--quiet", "worker", "--queues", service, "--hostname", name, "--without-mingle", "--without-gossip", *scheduler]
    )


def _end_within(grace_seconds: float) -> None:
    """Have what is still running after the grace period interrupted, and its messages put back into the queue.

    On SIGTERM Celery waits for the running tasks, however long they take; on SIGQUIT it ends them, and a message that was
    not acknowledged goes back when the connection is closed. So the first is followed by the second. Celery's own soft
    shutdown would do too, but it sleeps for the whole period, however early the tasks finish.
    """

    def begin(how: str, **_: object) -> None:
        if how == "Warm":
            log.info("worker_draining", grace_seconds=grace_seconds)
            escalation = threading.Timer(grace_seconds, os.kill, (os.getpid(), signal.SIGQUIT))
            escalation.daemon = True  # a worker that has finished need not wait for it
            escalation.start()

    worker_shutting_down.connect(begin, weak=False)


def _wipe(directory: Path) -> None:
    """Counts of an earlier process with a reused pid must not be added to ours."""
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("*.db"):
        stale.unlink()


def _serve_metrics_when_ready(settings: WorkerSettings, collectors: Sequence[Any]) -> None:
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    for collector in collectors:
        registry.register(collector)

    def start(**_: object) -> None:
        server, _thread = start_http_server(settings.metrics_port, settings.metrics_host, registry)
        log.info("worker_ready", metrics_port=server.server_port, pid=os.getpid())

    def forget(pid: int | None = None, **_: object) -> None:
        mark_process_dead(pid or os.getpid())  # type: ignore[no-untyped-call]

    worker_ready.connect(start, weak=False)
    worker_process_shutdown.connect(forget, weak=False)
