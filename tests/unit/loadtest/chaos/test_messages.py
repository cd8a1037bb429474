"""Messages on a real Valkey: a duplicate is there twice, a delayed one is away until it is put back."""

from __future__ import annotations

import random

import pytest
from pydantic import SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.contracts.tasks import CLIENT, CONTROL
from fedface_core.domain.commands import Sweep, TrainClients
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from loadtest.chaos.messages import BrokerUnavailableError, Messages


@pytest.fixture
def publisher(broker_url: str) -> CeleryPublisher:
    return CeleryPublisher(
        create_celery(Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory="/"))
    )


def train(client: int) -> TrainClients:
    return TrainClients(run_id="run-0123456789ab", round=1, clients=(f"client-{client:06d}",))


def test_a_duplicate_is_there_twice_and_sweeps_are_left_alone(publisher: CeleryPublisher, broker_url: str) -> None:
    messages = Messages(broker_url, random.Random(0))
    publisher.publish_all([Sweep(), Sweep()], correlation_id="beat")
    assert messages.duplicate() is None
    assert publisher.queue_depth(CONTROL) == 2
    publisher.publish_all([train(1), train(2)], correlation_id="abc")
    copied = messages.duplicate()
    assert copied is not None
    assert (copied.queue, copied.task) == (CLIENT, "client.train")
    assert publisher.queue_depth(CLIENT) == 3
    assert [message.raw for message in messages.waiting()].count(copied.raw) == 2


def test_a_delayed_message_is_away_until_it_is_put_back(publisher: CeleryPublisher, broker_url: str) -> None:
    messages = Messages(broker_url, random.Random(0))
    assert messages.take() is None
    publisher.publish_all([train(1), train(2)], correlation_id="abc")
    taken = messages.take()
    assert taken is not None
    assert taken.raw not in [message.raw for message in messages.waiting()]
    assert publisher.queue_depth(CLIENT) == 1
    messages.put(taken)
    assert publisher.queue_depth(CLIENT) == 2


def test_a_broker_that_does_not_answer_is_told_apart_from_an_empty_one() -> None:
    with pytest.raises(BrokerUnavailableError):
        Messages("redis://:own@127.0.0.1:9/0", random.Random(0)).duplicate()
