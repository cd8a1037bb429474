"""``python -m fedface_control.api``: the process that serves the API."""

from __future__ import annotations

import sys

import uvicorn
from prometheus_client import REGISTRY

from fedface_control.api.app import create_app
from fedface_control.upkeep.restore import restore_all
from fedface_core.bootstrap import connect, ensure_bucket
from fedface_core.domain.errors import UnavailableError
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.clock_skew import ClockSkew
from fedface_core.runtime.logging import configure_logging
from fedface_core.runtime.patience import wait_for_dependency, with_patience
from fedface_core.runtime.settings import ControlSettings, load_settings


def main() -> None:
    """Serve until SIGTERM, then finish the requests under way. Exit with a message if a dependency is away at the start."""
    settings = load_settings(ControlSettings)
    configure_logging(settings, "control")
    ports = connect(settings, create_celery(settings))
    patience = settings.patience_seconds
    try:
        wait_for_dependency("artifact_store", patience, lambda: ensure_bucket(settings))
        if settings.restore_on_start:
            restore_all(with_patience(ports, patience))
    except UnavailableError as error:
        sys.exit(f"control: {error}")
    app = create_app(ports, REGISTRY)
    skew = ClockSkew(ports.clock)
    skew.compare()  # so that a wrong clock is logged at the start, though nobody scrapes
    REGISTRY.register(skew)
    uvicorn.run(
        app, host=settings.api_host, port=settings.api_port, log_config=None, timeout_graceful_shutdown=5, access_log=False
    )


if __name__ == "__main__":
    main()
