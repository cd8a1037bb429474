"""A worker survives the loss of its channel, though it later acknowledges or puts back messages of that channel."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu.transport import redis as redis_transport
from pydantic import SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.commands import EnrolClients
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings


@pytest.fixture
def app(broker_url: str) -> Celery:
    settings = Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory=Path("/artifacts"))
    return create_celery(settings)


@pytest.fixture
def publisher(app: Celery) -> CeleryPublisher:
    return CeleryPublisher(app)


@dataclass(frozen=True)
class Delivery:
    """A message that was delivered and not acknowledged, and its connection."""

    connection: Any
    message: Any


@pytest.fixture
def delivery(app: Celery, publisher: CeleryPublisher) -> Iterator[Delivery]:
    publisher.publish(EnrolClients(run_id="run-0123456789ab", clients=("client-000001",)), correlation_id="abc")
    with app.connection_for_read() as connection:
        messages: list[Any] = []
        callbacks = [lambda _, message: messages.append(message)]
        app.amqp.TaskConsumer(connection.default_channel, callbacks=callbacks).consume()
        connection.drain_events(timeout=10)
        (message,) = messages
        assert publisher.queue_depth(CLIENT) == 0
        yield Delivery(connection, message)


def test_a_channel_that_closes_in_good_order_puts_its_message_back(delivery: Delivery, publisher: CeleryPublisher) -> None:
    delivery.connection.close()
    assert publisher.queue_depth(CLIENT) == 1


def test_a_task_that_ends_after_its_channel_does_not_end_the_worker(
    delivery: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    delivery.connection.transport.client = None  # as kombu leaves it once the broker is lost
    delivery.connection.close()
    delivery.message.ack_log_error(logging.getLogger("worker"), delivery.connection.connection_errors)
    assert "another has taken its place" in caplog.text


def test_a_channel_closes_though_its_connection_is_gone(delivery: Delivery, publisher: CeleryPublisher) -> None:
    delivery.connection.transport.client = None  # as kombu leaves it once the broker is lost
    delivery.connection.close()
    assert publisher.queue_depth(CLIENT) == 0


def wrong_time(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Put the clock of this process wrong, for kombu too, which has imported the function."""
    right_time = time.time
    for module in (time, redis_transport):
        monkeypatch.setattr(module, "time", lambda: right_time() + days * 86_400)


@pytest.mark.parametrize("days", [1, -1])
def test_a_worker_with_a_wrong_clock_leaves_others_what_they_have_taken(
    app: Celery, delivery: Delivery, publisher: CeleryPublisher, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    wrong_time(monkeypatch, days)
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        channel.qos.restore_visible()
    assert publisher.queue_depth(CLIENT) == 0


@pytest.mark.parametrize("days", [1, -1])
def test_what_a_worker_with_a_wrong_clock_has_taken_is_overdue_after_the_timeout_and_not_before(
    app: Celery, publisher: CeleryPublisher, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    publisher.publish(EnrolClients(run_id="run-0123456789ab", clients=("client-000001",)), correlation_id="abc")
    with app.connection_for_read() as takes, app.connection_for_read() as looks:
        with monkeypatch.context() as patched:
            wrong_time(patched, days)
            app.amqp.TaskConsumer(takes.default_channel, callbacks=[lambda _, message: None]).consume()
            takes.drain_events(timeout=10)
        channel: Any = looks.default_channel
        channel.qos.restore_visible(interval=1)
        assert publisher.queue_depth(CLIENT) == 0
        channel.visibility_timeout = -3  # seconds: it has passed
        channel.qos.restore_visible(interval=1)
        assert publisher.queue_depth(CLIENT) == 1
