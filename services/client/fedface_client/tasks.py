"""The client's Celery tasks: list identities, enrol and train, and make the deposits of masked rounds."""

from __future__ import annotations

from functools import partial

from celery import Celery
from prometheus_client.registry import Collector

from fedface_client.carry_out_task import carry_out_task
from fedface_client.deposits import make_deposits
from fedface_client.device import MAX_IMAGE_BYTES
from fedface_client.list_identities import list_identities
from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import CLIENT, device_queue
from fedface_core.domain.commands import (
    EnrolClients,
    ListIdentities,
    RegisterDevices,
    RevealShares,
    ShareKeys,
    SignAcceptedSet,
    TrainClients,
)
from fedface_core.runtime.celery_app import create_celery, register_handler
from fedface_core.runtime.clock_skew import ClockSkew
from fedface_core.runtime.patience import with_patience
from fedface_core.runtime.settings import DeviceSettings
from fedface_learning.data import PhotographRoots
from fedface_worker.failing_steps import step_came_back
from fedface_worker.workbench import Workbench


def create(settings: DeviceSettings) -> tuple[Celery, list[Collector]]:
    """The Celery app with the client's tasks, and the collector of the clock's skew."""
    app = create_celery(settings, takes_from=device_queue(CLIENT, settings.device))
    ports = connect(settings, app)
    roots = PhotographRoots.of(settings.photograph_roots)
    workbench = Workbench(with_patience(ports, settings.patience_seconds), MAX_IMAGE_BYTES, roots=roots)
    register_handler(app, ListIdentities, partial(list_identities, workbench), partial(step_came_back, workbench.ports))
    register_handler(app, EnrolClients, partial(carry_out_task, workbench))
    register_handler(app, TrainClients, partial(carry_out_task, workbench))
    for deposit in (RegisterDevices, ShareKeys, SignAcceptedSet, RevealShares):
        register_handler(app, deposit, partial(make_deposits, workbench))
    return app, [ClockSkew(ports.clock)]  # the clock without patience: a scrape must not wait
