"""What kombu does with unacknowledged messages when it closes a channel, with and without a connection left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from pydantic import SecretStr

from fedface_core.adapters.celery_publisher import CeleryPublisher
from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.commands import EnrolClient
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings


@pytest.fixture
def app(broker_url: str) -> Celery:
    settings = Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory=Path("/artifacts"))
    return create_celery(settings)


@pytest.fixture
def publisher(app: Celery) -> CeleryPublisher:
    return CeleryPublisher(app)


@pytest.fixture
def holding(app: Celery, publisher: CeleryPublisher) -> Iterator[Any]:
    """A connection on which one message was delivered and not acknowledged."""
    publisher.publish(EnrolClient(run_id="run-0123456789ab", client_id="client-000001"), correlation_id="abc")
    with app.connection_for_read() as connection:
        delivered: list[Any] = []
        consumer = app.amqp.TaskConsumer(
            connection.default_channel, callbacks=[lambda _, message: delivered.append(message)]
        )
        consumer.consume()
        connection.drain_events(timeout=10)
        assert len(delivered) == 1
        assert publisher.queue_depth(CLIENT) == 0
        yield connection


def test_a_channel_that_closes_in_good_order_puts_its_message_back(holding: Any, publisher: CeleryPublisher) -> None:
    holding.default_channel.close()
    assert publisher.queue_depth(CLIENT) == 1


def test_a_channel_whose_connection_is_gone_closes_without_an_error(holding: Any, publisher: CeleryPublisher) -> None:
    holding.transport.client = None  # as kombu leaves it once the broker is lost
    holding.default_channel.close()
    assert publisher.queue_depth(CLIENT) == 0
