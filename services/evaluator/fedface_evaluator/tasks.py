"""The evaluator's Celery task and its gauges."""

from __future__ import annotations

from functools import partial

from celery import Celery
from prometheus_client.registry import Collector

from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import EVALUATOR, device_queue
from fedface_core.domain.commands import EvaluateModel
from fedface_core.runtime.celery_app import create_celery, register_handler
from fedface_core.runtime.clock_skew import ClockSkew
from fedface_core.runtime.patience import with_patience
from fedface_core.runtime.settings import DeviceSettings
from fedface_evaluator.evaluate import evaluate_model
from fedface_evaluator.verification_metrics import VerificationMetrics
from fedface_learning.data import PhotographRoots
from fedface_worker.failing_steps import step_came_back
from fedface_worker.workbench import Workbench


def create(settings: DeviceSettings) -> tuple[Celery, list[Collector]]:
    """The Celery app with the evaluator's task, and the collectors of the verification gauges and of the clock's skew."""
    app = create_celery(settings, takes_from=device_queue(EVALUATOR, settings.device))
    ports = connect(settings, app)
    roots = PhotographRoots.of(settings.photograph_roots)
    workbench = Workbench(with_patience(ports, settings.patience_seconds), roots=roots)
    came_back = partial(step_came_back, workbench.ports)
    register_handler(app, EvaluateModel, partial(evaluate_model, workbench), came_back)
    # The ports without patience: a scrape must not wait.
    return app, [VerificationMetrics(ports.ledger), ClockSkew(ports.clock)]
