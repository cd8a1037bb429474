"""The start of a Celery worker: logs, metrics over all its processes, its end after SIGTERM, then Celery's own loop."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
import structlog
from celery.signals import setup_logging, worker_process_shutdown, worker_shutting_down

from fedface_core.contracts.tasks import device_queue
from fedface_core.domain.device_kinds import CPU, DeviceKind
from fedface_core.domain.errors import EvictingLedgerError, FedFaceError, InvalidInputError
from fedface_core.files.file_problem import file_problem
from fedface_core.files.whole_file import make_folder
from fedface_core.ports.publisher import WorkerPresence
from fedface_core.runtime.delayed_messages import keep_moving
from fedface_core.runtime.logging import configure_logging
from fedface_core.runtime.metrics_server import MetricsServer
from fedface_core.runtime.open_files import raise_open_file_limit
from fedface_core.runtime.presence import keep_saying
from fedface_core.runtime.settings import WorkerSettings
from fedface_core.runtime.traces import end_traces, require_traces, start_traces
from fedface_core.runtime.worker_end import WhenReady, WorkerEnd

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger(__name__)


def run_worker(
    service: str,
    settings: WorkerSettings,
    tasks_module: str,
    *,
    in_each_process: Callable[[], None] | None = None,
    once_ready: WhenReady | None = None,
    beat: bool = False,
    device: DeviceKind = CPU,
    torch: str | None = None,
    gpu: str | None = None,
) -> None:
    """Execute the tasks of ``service`` for ``device`` until SIGTERM. Running tasks may then finish within the grace period.

    The process exits with a message if its Redis may evict keys, and with the status 1 if Celery ends though no signal asked
    it to. It waits for a Redis that is away.

    ``tasks_module`` has a function ``create(settings) -> (Celery, collectors)``: the app with its tasks, and Prometheus
    collectors that this worker exports besides its own counters. The module is imported here, after the environment variable
    for shared metrics is set, since prometheus_client reads that only once, when it is imported. `InvalidInputError` if the
    directory of the metrics cannot be used, or nothing can listen at their host and port.

    ``in_each_process`` is called at the start of each worker process. ``once_ready`` is called when the worker takes tasks,
    with an event that is set when it is asked to end; what it has to do until then it does in threads. ``beat``: the worker
    also runs periodic tasks. If one of these raises, or the process of the periodic tasks ends, the worker ends with the
    error. ``torch`` and ``gpu``: what the worker says of itself in the broker, beside its device.
    """
    require_traces(settings)
    configure_logging(settings, service, with_trace_ids=settings.traces_url is not None)
    raise_open_file_limit()
    # A receiver of this signal keeps Celery from configuring the loggers itself, which would drop all but warnings.
    setup_logging.connect(lambda **_: None, weak=False)
    directory = settings.metrics_directory or Path(tempfile.mkdtemp(prefix=f"fedface-{service}-metrics-"))
    _remove_old_metrics(directory)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    app, collectors = import_module(tasks_module).create(settings)
    _interrupt_tasks_after(settings.grace_seconds)
    end = WorkerEnd()

    def prepare() -> None:
        start_traces(settings, service)  # after the process was forked
        if in_each_process is not None:
            in_each_process()

    end.prepare_each_process(prepare)
    if settings.traces_url is not None:
        worker_process_shutdown.connect(lambda **_: end_traces(), weak=False)
    try:
        _refuse_evicting_server(app)
        queue = device_queue(service, device)
        presence = WorkerPresence(name=_name(service), device=device, processes=settings.concurrency, torch=torch, gpu=gpu)
        when_ready = [_metrics(settings, directory, collectors), _at_the_broker(app, queue, presence)]
        if once_ready is not None:
            when_ready.append(once_ready)
        if beat:
            when_ready.append(end.watch_beat)
        _run(app, queue, presence.name, end, when_ready, beat=beat)
    finally:
        if settings.metrics_directory is None:
            shutil.rmtree(directory, ignore_errors=True)


def _refuse_evicting_server(app: Celery) -> None:
    with app.connection_for_read() as connection:
        try:
            connection.connect()  # our transport checks the server
        except EvictingLedgerError:
            raise  # it is a connection error, too, but waiting does not help
        except (*connection.connection_errors, *connection.channel_errors) as error:
            log.warning("broker_unavailable", reason=str(error))  # Celery waits for it, and names each attempt in the log


def _name(service: str) -> str:
    return f"{service}@{socket.gethostname()[:200]}-{os.getpid()}"


def _run(app: Celery, queue: str, name: str, end: WorkerEnd, when_ready: Sequence[WhenReady], *, beat: bool) -> None:
    # The plain scheduler keeps its times in memory. The default one needs a file, which an interval does not.
    scheduler = ["--beat", "--scheduler", "celery.beat:Scheduler"] if beat else []
    # Nobody reads what workers tell each other. To send it, Celery's loop would wait, without a word, for a broker that
    # answers with errors.
    silent = ["--without-mingle", "--without-gossip", "--without-heartbeat"]
    asked = threading.Event()
    worker_shutting_down.connect(lambda **_: asked.set(), weak=False)
    end.call_when_ready(when_ready, asked)
    app.worker_main(["--quiet", "worker", "--queues", queue, "--hostname", name, *silent, *scheduler])
    end.require_none()
    if not asked.is_set():  # Celery has logged why; whoever supervises this process has to see that it failed
        sys.exit(f"{queue}: the worker ended though nobody asked it to; its log says why")


def _at_the_broker(app: Celery, queue: str, presence: WorkerPresence) -> WhenReady:
    """While the worker is ready, move messages that are due into its queue, and say that it is there, each in a thread."""

    def start(stopped: threading.Event) -> None:
        client = redis.Redis.from_url(app.conf.broker_url, socket_timeout=5, socket_connect_timeout=5)
        threading.Thread(target=keep_moving, args=(client, queue, stopped), daemon=True, name="delayed messages").start()
        threading.Thread(
            target=keep_saying, args=(client, queue, presence, stopped), daemon=True, name="presence of the worker"
        ).start()

    return start


def _interrupt_tasks_after(grace_seconds: float) -> None:
    """Send SIGQUIT to this worker when the grace period after a SIGTERM is over.

    On SIGTERM Celery waits for the running tasks, however long they take. On SIGQUIT it ends them, and their messages, which
    are not acknowledged, go back into the queue. Celery's own soft shutdown always waits for the whole period, even if the
    tasks finish early.
    """

    def start_timer(how: str, **_: object) -> None:
        if how == "Warm":
            log.info("worker_draining", grace_seconds=grace_seconds)
            timer = threading.Timer(grace_seconds, os.kill, (os.getpid(), signal.SIGQUIT))
            timer.daemon = True  # a worker whose tasks are finished need not wait for the timer
            timer.start()

    worker_shutting_down.connect(start_timer, weak=False)


def _remove_old_metrics(directory: Path) -> None:
    """Remove the metric files of earlier processes. Otherwise a process with a reused id would add to old counts.

    `InvalidInputError`, which names the setting, if the directory cannot be used.
    """
    try:
        make_folder(directory)
        for file in directory.glob("*.db"):
            file.unlink()
    except OSError as error:
        raise InvalidInputError(f"FEDFACE_METRICS_DIRECTORY: {file_problem(error) or error}") from error


def _metrics(settings: WorkerSettings, directory: Path, collectors: Sequence[Any]) -> WhenReady:
    """Serve the metrics of all processes of this worker."""
    from prometheus_client import CollectorRegistry, make_wsgi_app
    from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

    from fedface_core.runtime.prompt_answers import PromptCollector

    class CollectorOfAnyFolder(MultiProcessCollector):
        """The library's own takes the folder for a pattern: it finds nothing if the name has a ``[``."""

        def collect(self) -> Any:
            return self.merge([str(file) for file in directory.glob("*.db")])  # type: ignore[no-untyped-call]

    registry = CollectorRegistry()
    CollectorOfAnyFolder(registry, str(directory))  # type: ignore[no-untyped-call]
    for collector in collectors:
        registry.register(PromptCollector(collector))

    def start(_: threading.Event) -> None:
        server = MetricsServer(
            settings.metrics_host,
            settings.metrics_port,
            make_wsgi_app(registry),
            settings.metrics_tls_certificate_file,
            settings.metrics_tls_key_file,
        )
        threading.Thread(target=server.serve_forever, daemon=True, name="metrics").start()
        log.info("worker_ready", metrics_port=server.server_port, pid=os.getpid())
        for collector in collectors:  # a first look, so that what they log is logged though nobody scrapes
            try:
                deque(collector.collect(), maxlen=0)
            except FedFaceError as error:  # a scrape will fail, and show it; the worker can work
                log.warning("metrics_not_collected", reason=str(error))

    def forget(pid: int | None = None, **_: object) -> None:
        mark_process_dead(pid or os.getpid(), glob.escape(str(directory)))  # type: ignore[no-untyped-call]

    worker_process_shutdown.connect(forget, weak=False)
    return start
