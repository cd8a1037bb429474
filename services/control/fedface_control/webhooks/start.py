"""The threads that deliver, one for each receiver of the settings: a slow receiver keeps no other one waiting."""

from __future__ import annotations

import threading

from fedface_control.webhooks.delivery import Delivery
from fedface_control.webhooks.receiver import Receiver
from fedface_core.bootstrap import connect
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import ControlSettings


def start_deliveries(settings: ControlSettings, stopped: threading.Event) -> None:
    """Start a thread for each receiver; all end when ``stopped`` is set. Without receivers nothing is started."""
    if not settings.webhook_urls:
        return
    assert settings.webhook_secret is not None, "checked by the settings"
    secret = settings.webhook_secret.get_secret_value()
    with create_celery(settings) as app:
        ports = connect(settings, app)
    for url in settings.webhook_urls:
        delivery = Delivery(ports.ledger, ports.clock, Receiver(url, secret))
        threading.Thread(target=delivery.run, args=(stopped,), daemon=True, name="webhooks").start()
