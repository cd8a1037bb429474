"""A worker survives the loss of its channel and a broker that refuses writes, and loses neither a message nor a place."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from kombu.transport import redis as redis_transport
from pydantic import SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.contracts.broker_keys import came_back_key
from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.commands import EnrolClients
from fedface_core.domain.errors import EvictingLedgerError
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from support.redis_states import REFUSING_WRITES, configured, without_memory, without_replicas

COMMAND = EnrolClients(run_id="run-0123456789ab", clients=("client-000001",))


@pytest.fixture
def app(broker_url: str) -> Celery:
    settings = Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory=Path("/artifacts"))
    return create_celery(settings)


@pytest.fixture
def server(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


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
    publisher.publish(COMMAND, correlation_id="abc")
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


@pytest.mark.parametrize("state", REFUSING_WRITES)
def test_no_channel_opens_while_writes_are_refused(app: Celery, server: redis.Redis, state: str) -> None:
    with REFUSING_WRITES[state](server), app.connection_for_read() as connection, pytest.raises(redis.ResponseError):
        connection.transport.establish_connection()
    with app.connection_for_read() as connection:
        assert connection.transport.establish_connection()


def test_no_channel_opens_to_a_server_that_may_evict_and_it_is_waited_for(app: Celery, server: redis.Redis) -> None:
    with configured(server, "maxmemory-policy", "allkeys-lru"), app.connection_for_read() as connection:
        with pytest.raises(EvictingLedgerError):
            connection.transport.establish_connection()
        assert EvictingLedgerError in connection.recoverable_connection_errors


@pytest.mark.parametrize("answer", ["ack_log_error", "reject_log_error"])
def test_after_an_acknowledgement_that_fails_the_channel_fails(
    delivery: Delivery, server: redis.Redis, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    """Kombu only logs it. With its one place kept by this message, a worker would wait for ever, connected as it is."""
    with without_replicas(server):
        getattr(delivery.message, answer)(logging.getLogger("worker"), delivery.connection.connection_errors)
    assert "NOREPLICAS" in caplog.text
    with pytest.raises(redis.ConnectionError, match=r"did not take an acknowledgement: .*NOREPLICAS"):
        delivery.connection.drain_events(timeout=1)


def test_after_an_acknowledgement_that_times_out_the_channel_fails(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_out(*_: object, **__: object) -> None:
        raise redis.TimeoutError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(redis.client.Pipeline, "execute", time_out)
        delivery.message.ack_log_error(logging.getLogger("worker"), delivery.connection.connection_errors)
    with pytest.raises(redis.ConnectionError, match="did not take an acknowledgement: no answer"):
        delivery.connection.drain_events(timeout=1)


def test_a_message_that_was_taken_and_not_recorded_goes_back(
    app: Celery, publisher: CeleryPublisher, server: redis.Redis
) -> None:
    publisher.publish(COMMAND, correlation_id="abc")
    with app.connection_for_read() as connection:
        app.amqp.TaskConsumer(connection.default_channel, callbacks=[print]).consume()
        with without_memory(server):  # which lets a message be taken and not be recorded
            with pytest.raises(redis.OutOfMemoryError):
                connection.drain_events(timeout=10)
            assert publisher.queue_depth(CLIENT) == 0
    assert publisher.queue_depth(CLIENT) == 0
    with app.connection_for_read() as connection:
        connection.connect()
        assert publisher.queue_depth(CLIENT) == 1
        messages: list[Any] = []
        app.amqp.TaskConsumer(connection.default_channel, callbacks=[lambda _, message: messages.append(message)]).consume()
        connection.drain_events(timeout=10)
        (message,) = messages
        assert message.payload[1] == {"command": COMMAND.model_dump(mode="json")}
        message.ack()


def taken(app: Celery) -> Any:
    """The next message of the queue, taken and acknowledged."""
    with app.connection_for_read() as connection:
        messages: list[Any] = []
        callbacks = [lambda _, message: messages.append(message)]
        app.amqp.TaskConsumer(connection.default_channel, callbacks=callbacks).consume()
        connection.drain_events(timeout=10)
        (message,) = messages
        message.ack()
        return message


def test_a_message_that_a_worker_has_put_back_came_back(delivery: Delivery, app: Celery, server: redis.Redis) -> None:
    assert not delivery.message.delivery_info["redelivered"]
    delivery.message.requeue()
    assert taken(app).delivery_info["redelivered"]
    assert not server.exists(came_back_key(CLIENT))


def test_a_message_that_only_says_so_did_not_come_back(app: Celery, publisher: CeleryPublisher, server: redis.Redis) -> None:
    """Whoever may publish could have a step given up by five copies of its message."""
    publisher.publish(COMMAND, correlation_id="abc")
    copy = json.loads(server.lrange(CLIENT, 0, -1)[0])
    copy["properties"]["delivery_info"]["redelivered"] = True
    for _ in range(3):
        server.lpush(CLIENT, json.dumps(copy))
    assert [bool(taken(app).delivery_info["redelivered"]) for _ in range(4)] == [False] * 4


def test_a_copy_of_a_message_that_came_back_came_back_no_more_often(
    delivery: Delivery, app: Celery, server: redis.Redis
) -> None:
    delivery.message.requeue()
    (put_back,) = server.lrange(CLIENT, 0, -1)
    server.lpush(CLIENT, put_back, put_back)
    assert [bool(taken(app).delivery_info["redelivered"]) for _ in range(3)] == [True, False, False]
