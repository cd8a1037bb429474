"""The services' Celery tasks: what each service registers, and a whole run through the tasks."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from celery.beat import Scheduler
from prometheus_client.registry import Collector
from pydantic import BaseModel, SecretStr

import fedface_aggregator.tasks
import fedface_client.tasks
import fedface_control.tasks
import fedface_evaluator.tasks
from fedface_control.api.run_metrics import RunMetrics
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, RecordingPublisher
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT, CONTROL, CORRELATION_HEADER, EVALUATOR, ROUTES
from fedface_core.domain.commands import EvaluateModel, HandleFact, ReduceRound, Sweep, TrainClients
from fedface_core.domain.errors import NotFoundError, UnavailableError
from fedface_core.domain.facts import StepFailed
from fedface_core.domain.ids import client_id
from fedface_core.ports import Ports, RunLedger
from fedface_core.runtime import patience
from fedface_core.runtime.celery_app import SigningCelery
from fedface_core.runtime.clock_skew import ClockSkew
from fedface_core.signing.messages import SIGNATURE_HEADER, check_message
from fedface_evaluator.verification_metrics import VerificationMetrics
from fedface_learning.simulation.simulate import simulate
from support.guarded_services import EverySetting
from support.in_process import InProcess
from support.signing import signed_headers
from support.tiny_run import tiny_plan

RUN = "run-0123456789ab"
REDIS = SecretStr("redis://:own@127.0.0.1:1/0")  # nothing listens there, and no test connects
SERVICES: dict[str, Any] = {
    CLIENT: fedface_client.tasks,
    AGGREGATOR: fedface_aggregator.tasks,
    EVALUATOR: fedface_evaluator.tasks,
    CONTROL: fedface_control.tasks,
}


@pytest.fixture
def settings(tmp_path: Path) -> EverySetting:
    return EverySetting(
        redis_url=REDIS, artifacts="directory", artifact_directory=tmp_path, sweep_seconds=7, photograph_roots=(Path("/"),)
    )


@pytest.mark.parametrize("queue", SERVICES)
def test_a_service_serves_exactly_the_commands_of_its_queue(settings: EverySetting, queue: str) -> None:
    app, _ = SERVICES[queue].create(settings)
    own = {name for name in app.tasks if not name.startswith("celery.")}
    assert own == {route.task for route in ROUTES.values() if route.queue == queue}


def test_control_sweeps_on_a_schedule(settings: EverySetting) -> None:
    app, collectors = fedface_control.tasks.create(settings)
    assert isinstance(app, SigningCelery)
    assert [type(collector) for collector in collectors] == [ClockSkew]
    (entry,) = app.conf.beat_schedule.values()
    assert (entry["task"], entry["schedule"].run_every) == (ROUTES[Sweep].task, timedelta(seconds=7))
    headers = entry["options"].pop("headers")
    assert entry["options"] == {"queue": CONTROL, "expires": 7, "time_limit": None, "soft_time_limit": None}
    body = entry["kwargs"]["command"]
    check_message(app.keyring, Sweep.model_validate(body), body, headers[CORRELATION_HEADER], headers[SIGNATURE_HEADER])


def test_the_sweep_goes_on_if_the_clock_is_set_back(settings: EverySetting, monkeypatch: pytest.MonkeyPatch) -> None:
    app, _ = fedface_control.tasks.create(settings)
    entry = Scheduler(app=app).schedule["sweep"]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 6)
    assert not entry.is_due()[0]
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(app, "now", lambda: an_hour_ago)
    monkeypatch.setattr(time, "monotonic", lambda: now + 8)
    assert entry.is_due()[0]


def test_run_gauges_are_exported_once_and_scores_by_the_evaluator(settings: EverySetting) -> None:
    exported: dict[str, list[Collector]] = {queue: module.create(settings)[1] for queue, module in SERVICES.items()}
    types = {queue: [type(collector) for collector in collectors] for queue, collectors in exported.items()}
    assert types.pop(EVALUATOR) == [VerificationMetrics, ClockSkew]
    assert all(found == [ClockSkew] for found in types.values()), f"{RunMetrics.__name__} are the API's"


COMMANDS: dict[str, BaseModel] = {
    CLIENT: TrainClients(run_id=RUN, round=1, clients=(client_id(0),)),
    AGGREGATOR: ReduceRound(run_id=RUN, round=1),
    EVALUATOR: EvaluateModel(run_id=RUN, round=1),
    CONTROL: HandleFact(run_id=RUN, fact=StepFailed(run_id=RUN, round=1, reason="no disk")),
}


class AwayForAWhile:
    """A ledger that does not answer the first ``questions`` calls, and knows no run after that."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def __getattr__(self, name: str) -> Callable[..., None]:
        def answer(*args: object) -> None:
            self.left -= 1
            if self.left >= 0:
                raise UnavailableError("Redis does not answer")
            raise NotFoundError("there is no such run")

        return answer


def app_over(ledger: AwayForAWhile, queue: str, settings: EverySetting, monkeypatch: pytest.MonkeyPatch) -> Any:
    ports = Ports(cast("RunLedger", ledger), MemoryArtifacts(), RecordingPublisher(), ManualClock())
    monkeypatch.setattr(SERVICES[queue], "connect", lambda settings, app: ports)
    monkeypatch.setattr(patience, "LONGEST_PAUSE_SECONDS", 0.001)
    return SERVICES[queue].create(settings)


def handled(app: SigningCelery, command: BaseModel) -> object:
    body = {"command": command.model_dump(mode="json")}
    return app.tasks[ROUTES[type(command)].task].apply(kwargs=body, headers=signed_headers(app, command)).result


@pytest.mark.parametrize("queue", SERVICES)
def test_a_task_waits_until_the_ledger_is_back(settings: EverySetting, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = AwayForAWhile(questions=3)
    app, _ = app_over(ledger, queue, settings, monkeypatch)
    assert isinstance(handled(app, COMMANDS[queue]), NotFoundError), "what it says once it is back"
    assert ledger.left < 0


def test_a_sweep_and_a_scrape_do_not_wait(settings: EverySetting, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = AwayForAWhile(questions=100)
    app, _ = app_over(ledger, CONTROL, settings, monkeypatch)
    assert isinstance(handled(app, Sweep()), UnavailableError)
    _, (gauges, _) = app_over(ledger, EVALUATOR, settings, monkeypatch)
    assert list(gauges.collect()) == []
    assert ledger.left == 98


def test_a_whole_run_through_the_tasks(faces: Path, settings: EverySetting, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    apps: dict[str, SigningCelery] = {}
    for queue, module in SERVICES.items():
        monkeypatch.setattr(module, "connect", lambda settings, app: services.ports)
        apps[queue], _ = module.create(settings)

    def through_celery(kind: type[BaseModel]) -> Callable[[BaseModel, str], None]:
        route = ROUTES[kind]

        def handle(command: BaseModel, correlation_id: str) -> None:
            body = command.model_dump(mode="json")
            headers = signed_headers(apps[route.queue], command, correlation_id)
            apps[route.queue].tasks[route.task].apply(kwargs={"command": body}, headers=headers, throw=True)

        return handle

    run_id = services.start()
    services.handlers = {kind: through_celery(kind) for kind in ROUTES}
    services.publisher.published.clear()  # so that the sweep must repeat them
    assert services.to_end(run_id).model_sha256 == simulate(services.plan).model_sha256
