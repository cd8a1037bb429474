"""The client's Celery tasks: enrol and train."""

from __future__ import annotations

from celery import Celery
from prometheus_client.registry import Collector

from fedface_client.carry_out_task import carry_out_task
from fedface_core.bootstrap import connect
from fedface_core.domain.commands import EnrolClients, TrainClients
from fedface_core.runtime.celery_app import create_celery, register_handler
from fedface_core.runtime.clock_skew import ClockSkew
from fedface_core.runtime.patience import with_patience
from fedface_core.runtime.settings import WorkerSettings
from fedface_worker.workbench import Workbench


def create(settings: WorkerSettings) -> tuple[Celery, list[Collector]]:
    """The Celery app with the client's tasks, and the collector of the clock's skew."""
    app = create_celery(settings)
    ports = connect(settings, app)
    workbench = Workbench(with_patience(ports, settings.patience_seconds))
    register_handler(app, EnrolClients, lambda command, correlation_id: carry_out_task(workbench, command, correlation_id))
    register_handler(app, TrainClients, lambda command, correlation_id: carry_out_task(workbench, command, correlation_id))
    return app, [ClockSkew(ports.clock)]  # the clock without patience: a scrape must not wait
