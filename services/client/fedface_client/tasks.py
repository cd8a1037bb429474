"""The client's Celery tasks: list identities, enrol and train."""

from __future__ import annotations

from celery import Celery
from prometheus_client.registry import Collector

from fedface_client.carry_out_task import carry_out_task
from fedface_client.device import MAX_IMAGE_BYTES
from fedface_client.list_identities import list_identities
from fedface_core.bootstrap import connect
from fedface_core.domain.commands import EnrolClients, ListIdentities, TrainClients
from fedface_core.runtime.celery_app import create_celery, register_handler
from fedface_core.runtime.patience import with_patience
from fedface_core.runtime.settings import WorkerSettings
from fedface_worker.workbench import Workbench


def create(settings: WorkerSettings) -> tuple[Celery, list[Collector]]:
    """The Celery app with the client's tasks, and no metrics collectors of its own."""
    app = create_celery(settings)
    workbench = Workbench(with_patience(connect(settings, app), settings.patience_seconds), MAX_IMAGE_BYTES)
    register_handler(
        app, ListIdentities, lambda command, correlation_id: list_identities(workbench, command, correlation_id)
    )
    register_handler(app, EnrolClients, lambda command, correlation_id: carry_out_task(workbench, command, correlation_id))
    register_handler(app, TrainClients, lambda command, correlation_id: carry_out_task(workbench, command, correlation_id))
    return app, []
