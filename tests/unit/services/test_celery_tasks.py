"""The services as their Celery tasks: what each registers, and a whole run through nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from prometheus_client.registry import Collector
from pydantic import BaseModel, SecretStr

import fedface_aggregator.tasks
import fedface_client.tasks
import fedface_control.tasks
import fedface_evaluator.tasks
from fedface_control.run_metrics import RunMetrics
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT, CONTROL, CORRELATION_HEADER, EVALUATOR, ROUTES
from fedface_core.domain.commands import Sweep
from fedface_core.learning.simulation import simulate
from fedface_core.runtime.settings import ControlSettings
from fedface_evaluator.verification_metrics import VerificationMetrics
from support.in_process import InProcess
from support.tiny_run import tiny_plan

REDIS = SecretStr("redis://:own@127.0.0.1:1/0")  # nothing listens there, and nothing here asks
SERVICES: dict[str, Any] = {
    CLIENT: fedface_client.tasks,
    AGGREGATOR: fedface_aggregator.tasks,
    EVALUATOR: fedface_evaluator.tasks,
    CONTROL: fedface_control.tasks,
}


@pytest.fixture
def settings(tmp_path: Path) -> ControlSettings:
    return ControlSettings(redis_url=REDIS, artifacts="directory", artifact_directory=tmp_path, sweep_seconds=7)


@pytest.mark.parametrize("queue", SERVICES)
def test_a_service_serves_exactly_the_commands_of_its_queue(settings: ControlSettings, queue: str) -> None:
    app, _ = SERVICES[queue].create(settings)
    own = {name for name in app.tasks if not name.startswith("celery.")}
    assert {route.task for route in ROUTES.values() if route.queue == queue} <= own


def test_control_sweeps_on_a_schedule(settings: ControlSettings) -> None:
    app, collectors = fedface_control.tasks.create(settings)
    assert collectors == []
    (entry,) = app.conf.beat_schedule.values()
    assert (entry["task"], entry["schedule"]) == (ROUTES[Sweep].task, 7)
    assert entry["options"] == {"queue": CONTROL, "expires": 7}
    Sweep.model_validate(entry["kwargs"]["command"])


def test_run_gauges_are_exported_once_and_scores_by_the_evaluator(settings: ControlSettings) -> None:
    exported: dict[str, list[Collector]] = {queue: module.create(settings)[1] for queue, module in SERVICES.items()}
    assert [type(collector) for collector in exported.pop(EVALUATOR)] == [VerificationMetrics]
    assert not any(exported.values()), f"{RunMetrics.__name__} are the API's"


def test_a_whole_run_through_the_tasks(faces: Path, settings: ControlSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    apps: dict[str, Celery] = {}
    for queue, module in SERVICES.items():
        monkeypatch.setattr(module, "connect", lambda settings, app: services.ports)
        apps[queue], _ = module.create(settings)

    def through_celery(kind: type[BaseModel]) -> Callable[[BaseModel, str], None]:
        route = ROUTES[kind]

        def handle(command: BaseModel, correlation_id: str) -> None:
            body, headers = command.model_dump(mode="json"), {CORRELATION_HEADER: correlation_id}
            apps[route.queue].tasks[route.task].apply(kwargs={"command": body}, headers=headers, throw=True)

        return handle

    run_id = services.start()
    services.handlers = {kind: through_celery(kind) for kind in ROUTES}
    services.publisher.published.clear()  # so that the sweep is needed as well
    assert services.to_end(run_id).model_sha256 == simulate(services.plan).model_sha256
