"""Control's Celery tasks: handling facts, and the sweep on a schedule."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from celery import Celery
from celery.schedules import schedule
from prometheus_client.registry import Collector

from fedface_control.facts import handle_fact_of_its_run
from fedface_control.failing import fact_came_back
from fedface_control.sweep import sweep
from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import CONTROL, CORRELATION_HEADER, ROUTES
from fedface_core.domain.commands import HandleFact, Sweep
from fedface_core.runtime.celery_app import create_celery, register_handler
from fedface_core.runtime.clock_skew import ClockSkew
from fedface_core.runtime.patience import with_patience
from fedface_core.runtime.settings import ControlSettings
from fedface_core.signing.messages import SIGNATURE_HEADER, signature_of

_SWEEPS: Final = "sweep"
"""The correlation id of sweeps, which are about all runs."""


def create(settings: ControlSettings) -> tuple[Celery, list[Collector]]:
    """The Celery app with control's tasks, and the collector of the clock's skew.

    The ports connect on first use, after the fork.
    """
    app = create_celery(settings, takes_from=CONTROL)
    ports = connect(settings, app)
    repeat_after = timedelta(seconds=settings.repeat_after_seconds)
    waiting_ports = with_patience(ports, settings.patience_seconds)
    register_handler(
        app,
        HandleFact,
        partial(handle_fact_of_its_run, waiting_ports),
        partial(fact_came_back, waiting_ports),
    )
    # The sweep runs without patience: it comes again by itself, and waiting for one run would keep the other runs waiting.
    register_handler(app, Sweep, lambda _command, _: sweep(ports, repeat_after))
    command = Sweep().model_dump(mode="json")
    app.conf.beat_schedule = {
        "sweep": {
            "task": ROUTES[Sweep].task,
            "schedule": schedule(settings.sweep_seconds, nowfun=_steady_now, app=app),
            "kwargs": {"command": command},
            "options": {
                "queue": CONTROL,
                # A sweep that still waits in the queue when the next one is sent is of no use.
                "expires": settings.sweep_seconds,
                # The limits of the worker that takes it, as for every message: one that brings its own is dropped.
                "time_limit": None,
                "soft_time_limit": None,
                # One signature for all sweeps: a copy of such a message only sweeps once more.
                "headers": {
                    CORRELATION_HEADER: _SWEEPS,
                    SIGNATURE_HEADER: signature_of(app.keyring, Sweep(), command, _SWEEPS),
                },
            },
        }
    }
    return app, [ClockSkew(ports.clock)]


def _steady_now() -> datetime:
    """A time that no setting of a clock changes. By the system's time, a clock that is set back would stop the sweep."""
    return datetime.fromtimestamp(time.monotonic(), UTC)
