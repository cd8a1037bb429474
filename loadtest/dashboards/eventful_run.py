"""A local stack to which known things happen while a Prometheus watches: what the dashboards and alerts must then tell.

In order: a message is lost while the client worker is away, so the sweep repeats it; a process of the client worker is
killed while it trains; the broker is away while tasks need it, and the API answers 5xx; messages come that nobody can read,
and one that nobody signed; a second run has every update refused, and fails.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import psutil
import redis
from pydantic import SecretStr

from fedface_cli.api_client import ControlApi
from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.contracts.broker_keys import unacked_keys
from fedface_core.contracts.tasks import CLIENT, EVALUATOR
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.errors import InvalidInputError, UnavailableError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.children import Children
from fedface_stack.local_ports import free_ports
from fedface_stack.stack import SERVICES, LocalStack
from loadtest.dashboards.prometheus_data import Prometheus, Series, configure

CLIENTS: Final = 4
ROUNDS: Final = 3
REFUSED_CLIENTS: Final = 8
UNREADABLE: Final = {CLIENT: 3, EVALUATOR: 1}
"""Queue → how many messages that are no JSON are put into it."""
REQUESTS_REFUSED: Final = 2
SCRAPE_SECONDS: Final = 2.0
"""A process whose ledger is away answers a scrape within this time."""
_PATIENCE: Final = 90.0
_MODEL: Final = {"architecture": "spherenet-4", "height": 28, "width": 24, "embedding_size": 16, "widths": [4, 8, 8, 16]}


def plan_of(name: str, clients: int, rounds: int, steps: int, cohort: Mapping[str, float] | None = None) -> Plan:
    """The plan of a small run on rendered faces."""
    return Plan.model_validate(
        {
            "name": name,
            "model": _MODEL,
            "data": {"dataset": "synthetic", "images_per_identity": 4},
            "split": {"clients": clients, "test": 8},
            "local_training": {"steps": steps},
            "cohort": dict(cohort or {}),
            "rounds": rounds,
        }
    )


DISTURBED: Final = plan_of("disturbed, and completes", CLIENTS, ROUNDS, 60)
REFUSED: Final = plan_of("every update is refused", REFUSED_CLIENTS, 1, 2, {"max_update_norm": 1e-9, "retries": 0})


@dataclass
class Watched:
    """The stack, its Prometheus, and what has happened. Times are seconds since 1970."""

    stack: LocalStack
    prometheus: Prometheus
    started: float
    run: str = ""
    refused_run: str = ""
    seen: dict[str, list[Mapping[str, str]]] = field(default_factory=dict)
    """An alert → the labels that its expression had while its cause lasted."""
    at_start: dict[str, frozenset[str]] = field(default_factory=dict)
    """Process → every series of its counters and histograms before anything had happened."""
    at: float | None = None
    """A moment at which Prometheus knew all that had happened; None until then. On a busy machine a later scrape may fail,
    or lack what the ledger did not say in time."""

    def until(self, what: str, is_so: Callable[[], bool], seconds: float = _PATIENCE) -> None:
        """Wait until something is so. `UnavailableError` after so many seconds."""
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                raise UnavailableError(f"waited {seconds:.0f} s for {what}")
            time.sleep(0.2)

    def until_scraped(self) -> None:
        """Wait until every process was scraped after now. On a busy machine that takes longer than between two scrapes."""
        scraped = f"count(timestamp(up) > {time.time():.3f} and up == 1)"
        self.until("every process to be scraped again", lambda: self.value(scraped) == len(SERVICES))

    def value(self, expression: str) -> float:
        """The one value of an expression now; 0 if it has none."""
        return sum(series.values[-1] for series in self.now(expression))

    def now(self, expression: str) -> list[Series]:
        """The series of an expression at the moment ``at``, or now."""
        return self.prometheus.now(expression, self.at)

    def until_known(self) -> None:
        """Wait for a moment after now at which every process was scraped and every server had answered, and keep it."""
        scraped = f"count(timestamp(up) > {time.time():.3f} and up == 1) == {len(SERVICES)}"
        known = f"{scraped} and on () min(fedface_dependency_up) == 1"
        moment = 0.0

        def is_known() -> bool:
            nonlocal moment
            moment = time.time() - 2 * SCRAPE_SECONDS  # which no scrape that goes on now can change
            return bool(self.prometheus.now(known, moment))

        self.until("a moment at which all is known", is_known)
        self.at = moment

    def counted_series(self) -> dict[str, frozenset[str]]:
        """Process → the series of its counters and histograms, as text, without their values."""
        return {name: _counted(target) for name, target in self.stack.metrics_targets.items()}

    def records(self, process: str, event: str) -> list[dict[str, str]]:
        """The records with this event in the log of a process."""
        lines = (self.stack.logs / f"{process}.log").read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [one for one in found if one.get("event") == event]

    def note(self, alert: str, expression: str) -> None:
        """Wait until the expression of an alert has series, and keep their labels."""
        found: list[Mapping[str, str]] = []

        def there() -> bool:
            found[:] = [series.labels for series in self.prometheus.now(expression)]
            return bool(found)

        self.until(f"what {alert} looks for", there)
        self.seen[alert] = [*found]


@contextmanager
def eventful_run(home: Path, alerts: Mapping[str, str]) -> Iterator[Watched]:
    """Have it all happen, and then watch on until the end of the block. ``alerts``: the alerts' expressions by name.

    `InvalidInputError` if this machine has no Prometheus.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        raise InvalidInputError("no `prometheus` on PATH (Debian: apt-get install prometheus)")
    quick = {"FEDFACE_SWEEP_SECONDS": "0.5", "FEDFACE_REPEAT_AFTER_SECONDS": "4", "FEDFACE_LOG_FORMAT": "json"}
    with ExitStack() as ending:
        children = ending.enter_context(closing(Children()))
        stack = ending.enter_context(LocalStack(home / "stack", client_workers=1, environment=quick))
        (port,) = free_ports(1)
        file = home / "prometheus.yml"
        configure(file, stack.metrics_targets, f"{SCRAPE_SECONDS:g}s")
        address = f"127.0.0.1:{port}"
        command = (
            binary,
            f"--config.file={file}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address={address}",
        )
        process = children.start(command, stack.environment, home / "prometheus.log")
        ending.callback(children.kill, process)
        watched = Watched(stack, Prometheus(f"http://{address}"), time.time())
        watched.until("every process to be scraped", lambda: _is_scraped(watched))
        watched.at_start = watched.counted_series()
        with ControlApi(stack.api_url) as api:
            _lose_a_message(watched, api, alerts)
            _kill_a_process_that_trains(watched, api)
            _take_the_broker_away(watched, api, alerts)
            watched.until("the run to end", lambda: api.run(watched.run).phase in ENDED)
            _send_bad_messages(watched)
            watched.refused_run = api.create(REFUSED).id
            api.start(watched.refused_run)
            watched.until("the run to fail", lambda: api.run(watched.refused_run).phase in ENDED)
        for _ in range(2):  # a rate needs two scrapes
            watched.until_scraped()
        watched.until_known()
        yield watched


def _is_scraped(watched: Watched) -> bool:
    try:
        return watched.value("count(count_over_time(up[30s]) >= 2 and up == 1)") == len(SERVICES)
    except UnavailableError:
        return False  # it is starting


def _lose_a_message(watched: Watched, api: ControlApi, alerts: Mapping[str, str]) -> None:
    stack = watched.stack
    stack.kill("client")
    watched.note("NoWorkers", alerts["NoWorkers"])
    watched.run = api.create(DISTURBED).id
    api.start(watched.run)
    with _broker(stack) as broker:
        watched.until("the message to the client", lambda: broker.llen(CLIENT) > 0)
        broker.delete(CLIENT)
    stack.restart("client")


def _kill_a_process_that_trains(watched: Watched, api: ControlApi) -> None:
    """SIGKILL the pool process of the client worker in the first training round."""
    watched.until("the first training round", lambda: (api.run(watched.run).round or 0) >= 1)
    with _broker(watched.stack) as broker:
        watched.until("a task of the client", lambda: broker.hlen(unacked_keys(CLIENT)["unacked_key"]) > 0)
    worker = psutil.Process(watched.stack.processes["client"].pid)
    children = worker.children(recursive=True)
    if not children:
        raise UnavailableError("the client worker has no process that trains")
    for child in children:
        child.send_signal(signal.SIGKILL)


def _take_the_broker_away(watched: Watched, api: ControlApi, alerts: Mapping[str, str]) -> None:
    """Kill the broker until a task has waited for it. It comes back each time, with what it had."""
    with httpx.Client(base_url=watched.stack.api_url, trust_env=False, timeout=30) as client:
        for attempt in range(3):
            watched.until("the next round", lambda: (api.run(watched.run).round or 0) >= 2)
            watched.stack.kill("valkey")
            watched.note("DependencyUnreachable", alerts["DependencyUnreachable"])
            if attempt == 0:
                for _ in range(REQUESTS_REFUSED):
                    if client.get("/v1/runs").status_code != httpx.codes.SERVICE_UNAVAILABLE:
                        raise UnavailableError("the API lists runs without its ledger")
            watched.stack.restart("valkey")
            watched.until("the API to be ready", lambda: watched.stack.is_ready("control"))
            time.sleep(4.0)
            if watched.value("sum(fedface_waiting_seconds_total)") > 0 or api.run(watched.run).phase in ENDED:
                return


def _send_bad_messages(watched: Watched) -> None:
    with _broker(watched.stack) as broker:
        for queue, count in UNREADABLE.items():
            for _ in range(count):
                broker.lpush(queue, b"this is no message")
    settings = Settings(
        redis_url=SecretStr(watched.stack.environment["FEDFACE_REDIS_URL"]),
        artifacts="directory",
        artifact_directory=watched.stack.workdir,
    )
    with create_celery(settings) as app:
        # Signed by a key of this process, which nobody trusts.
        command = TrainClients(run_id=watched.run, round=1, clients=(client_id(0),))
        CeleryPublisher(app).publish(command, correlation_id="forged")
    watched.until(
        "the forged message",
        lambda: watched.value('sum(fedface_task_seconds_count{outcome="forged"})') > 0,
    )


@contextmanager
def _broker(stack: LocalStack) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(stack.environment["FEDFACE_REDIS_URL"])) as broker:
        yield broker


def _counted(target: str) -> frozenset[str]:
    """Every series of counters and histograms that a process exports."""
    text = httpx.get(f"http://{target}/metrics", trust_env=False, timeout=30).text
    kinds = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE"))
    counted = {name for name, kind in kinds.items() if kind in ("counter", "histogram", "summary")}
    series = [line.rsplit(" ", 1)[0] for line in text.splitlines() if line and not line.startswith("#")]
    ends = ("_bucket", "_count", "_sum", "_created", "")
    names = {f"{name}{end}" for name in counted for end in ends} | counted
    return frozenset(one for one in series if one.split("{")[0] in names)


def repeats_in_log(watched: Watched) -> Counter[str]:
    """Phase → how often the sweep published its commands again, as its log says."""
    return Counter(record["phase"] for record in watched.records("sweep", "commands_repeated"))
