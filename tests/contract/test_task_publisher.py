"""What every `TaskPublisher` promises: the recording fake, and Celery on a real Valkey."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import kombu.pools
import pytest
import redis
from pydantic import BaseModel, SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.adapters.memory import RecordingPublisher
from fedface_core.contracts.broker_keys import delayed_keys, workers_key
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT, CONTROL, CORRELATION_HEADER, EVALUATOR, QUEUES, ROUTES, queue_of
from fedface_core.domain.commands import (
    EnrolClients,
    EvaluateModel,
    FoldShard,
    HandleFact,
    HandOnShares,
    ListIdentities,
    PrepareModel,
    ReduceRound,
    RegisterDevices,
    RevealShares,
    ShareKeys,
    SignAcceptedSet,
    Sweep,
    TrainClients,
)
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.facts import ModelPrepared
from fedface_core.domain.ids import client_id
from fedface_core.ports import TaskPublisher, WorkerPresence
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.delayed_messages import move_due
from fedface_core.runtime.presence import keep_saying, say
from fedface_core.runtime.settings import Settings
from support.servers import wait_for
from support.signing import signed_headers

RUN = "run-0123456789ab"
FOLD = FoldShard(run_id=RUN, round=2, shard=1)
ONE_OF_EACH: list[BaseModel] = [
    PrepareModel(run_id=RUN),
    ListIdentities(run_id=RUN),
    EnrolClients(run_id=RUN, clients=(client_id(3),)),
    TrainClients(run_id=RUN, round=2, clients=(client_id(4),)),
    RegisterDevices(run_id=RUN, round=0, clients=(client_id(3),)),
    ShareKeys(run_id=RUN, round=2, clients=(client_id(4),)),
    HandOnShares(run_id=RUN, round=2, shard=1),
    SignAcceptedSet(run_id=RUN, round=2, clients=(client_id(4),)),
    RevealShares(run_id=RUN, round=2, clients=(client_id(4),)),
    FOLD,
    ReduceRound(run_id=RUN, round=2),
    EvaluateModel(run_id=RUN, round=2),
    EvaluateModel(run_id=RUN, round=2, device="cuda"),
    TrainClients(run_id=RUN, round=2, clients=(client_id(4),), device="cuda"),
    HandleFact(run_id=RUN, fact=ModelPrepared(run_id=RUN, model_sha256="a" * 64)),
    Sweep(),
]


@dataclass(frozen=True)
class Message:
    """What a worker would see."""

    task: str
    command: BaseModel
    correlation_id: str


@dataclass(frozen=True)
class PublisherAndQueues:
    """A publisher, and functions that give the messages in a queue, oldest first, and how many seconds each is delayed."""

    publisher: TaskPublisher
    waiting: Callable[[str], list[Message]]
    delayed: Callable[[str], dict[Message, float]]


def recording_publisher() -> PublisherAndQueues:
    publisher = RecordingPublisher()

    def waiting(queue: str) -> list[Message]:
        mine = [(command, name) for command, name in publisher.published if queue_of(command) == queue]
        return [Message(ROUTES[type(command)].task, command, name) for command, name in mine]

    def delayed(queue: str) -> dict[Message, float]:
        return {
            Message(ROUTES[type(command)].task, command, name): seconds
            for (command, name), seconds in publisher.delayed.items()
            if queue_of(command) == queue
        }

    return PublisherAndQueues(publisher, waiting, delayed)


def message_of(raw: str) -> Message:
    """The message in a raw entry of Celery's queue, its body read as a worker reads it: JSON, then the task's command."""
    entry = json.loads(raw)
    assert entry["content-type"] == "application/json"
    assert entry["headers"]["ignore_result"] is True
    args, kwargs, _ = json.loads(base64.b64decode(entry["body"]))
    assert (args, list(kwargs)) == ([], ["command"])
    (kind,) = [kind for kind, route in ROUTES.items() if route.task == entry["headers"]["task"]]
    return Message(
        task=entry["headers"]["task"],
        command=kind.model_validate(kwargs["command"]),
        correlation_id=entry["headers"][CORRELATION_HEADER],
    )


@pytest.fixture(params=["recording", "celery"])
def tested(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PublisherAndQueues]:
    if request.param == "recording":
        yield recording_publisher()
        return
    url = request.getfixturevalue("broker_url")
    settings = Settings(redis_url=SecretStr(url), artifacts="directory", artifact_directory=tmp_path)
    with create_celery(settings) as app, redis.Redis.from_url(url, decode_responses=True) as broker:

        def waiting(queue: str) -> list[Message]:
            return [message_of(raw) for raw in broker.execute_command("LRANGE", queue, 0, -1)[::-1]]

        def delayed(queue: str) -> dict[Message, float]:
            due, messages = delayed_keys(queue)
            seconds, microseconds = broker.time()
            now = seconds + microseconds / 1e6
            waits = broker.zrange(due, 0, -1, withscores=True)
            return {message_of(str(broker.hget(messages, name))): at / 1e6 - now for name, at in waits}

        yield PublisherAndQueues(CeleryPublisher(app), waiting, delayed)
        kombu.pools.reset()  # they are the process's, kept by URL


def test_every_command_goes_by_its_route_and_comes_back_equal(tested: PublisherAndQueues) -> None:
    assert {type(command) for command in ONE_OF_EACH} == set(ROUTES)
    for command in ONE_OF_EACH:
        tested.publisher.publish(command, correlation_id="abc")
    for queue in QUEUES:
        mine = [command for command in ONE_OF_EACH if queue_of(command) == queue]
        expected = [Message(ROUTES[type(command)].task, command, "abc") for command in mine]
        assert expected, "each queue has a command"
        assert tested.waiting(queue) == expected


def test_many_are_published_in_order(tested: PublisherAndQueues) -> None:
    commands = [TrainClients(run_id=RUN, round=1, clients=(client_id(index),)) for index in range(1300)]
    tested.publisher.publish_all(commands, correlation_id="first")
    tested.publisher.publish_all([Sweep()], correlation_id="second")
    assert [message.command for message in tested.waiting(CLIENT)] == commands
    assert {message.correlation_id for message in tested.waiting(CLIENT)} == {"first"}
    assert tested.waiting(CONTROL) == [Message("control.sweep", Sweep(), "second")]


def test_depth_counts_what_waits_in_one_queue(tested: PublisherAndQueues) -> None:
    assert tested.publisher.queue_depth(CLIENT) == 0
    enrolments = [EnrolClients(run_id=RUN, clients=(client_id(index),)) for index in range(7)]
    tested.publisher.publish_all(enrolments, correlation_id="a")
    tested.publisher.publish(EvaluateModel(run_id=RUN, round=0), correlation_id="a")
    assert tested.publisher.queue_depth(CLIENT) == 7
    assert tested.publisher.queue_depth(EVALUATOR) == 1
    assert tested.publisher.queue_depth(CONTROL) == 0


def test_a_message_is_what_celery_itself_sends(broker_url: str, tmp_path: Path) -> None:
    settings = Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory=tmp_path)
    with create_celery(settings) as app, redis.Redis.from_url(broker_url, decode_responses=True) as broker:
        CeleryPublisher(app, app.keyring).publish(FOLD, correlation_id="abc")
        command = {"command": FOLD.model_dump(mode="json")}
        headers = signed_headers(app, FOLD, "abc")
        app.send_task("aggregator.fold_shard", kwargs=command, queue=AGGREGATOR, headers=headers, ignore_result=True)
        theirs, ours = (json.loads(raw) for raw in broker.execute_command("LRANGE", AGGREGATOR, 0, -1))
        kombu.pools.reset()
    for message in (ours, theirs):
        task = message["headers"].pop("id")
        assert message["headers"].pop("root_id") == message["properties"].pop("correlation_id") == task
        assert message["properties"].pop("delivery_tag")
        del message["properties"]["reply_to"]  # where Celery would send results
        del message["headers"]["kwargsrepr"]  # for Celery's own logs
    assert ours == theirs


def test_no_commands_are_no_messages(tested: PublisherAndQueues) -> None:
    tested.publisher.publish_all([], correlation_id="a")
    assert [tested.publisher.queue_depth(queue) for queue in QUEUES] == [0] * len(QUEUES)


def test_a_delayed_command_waits_once_and_outside_its_queue(tested: PublisherAndQueues) -> None:
    other = FoldShard(run_id=RUN, round=2, shard=2)
    for _ in range(2):
        tested.publisher.publish_later(FOLD, correlation_id="abc", seconds=60)
    tested.publisher.publish_later(FOLD, correlation_id="another run's", seconds=60)
    tested.publisher.publish_later(other, correlation_id="abc", seconds=600)
    tested.publisher.publish_later(EvaluateModel(run_id=RUN, round=2), correlation_id="abc", seconds=60)
    assert {queue: tested.publisher.queue_depth(queue) for queue in QUEUES} == dict.fromkeys(QUEUES, 0)
    task = ROUTES[FoldShard].task
    assert tested.delayed(AGGREGATOR) == {
        Message(task, FOLD, "abc"): pytest.approx(60, abs=5),
        Message(task, FOLD, "another run's"): pytest.approx(60, abs=5),
        Message(task, other, "abc"): pytest.approx(600, abs=5),
    }
    assert len(tested.delayed(EVALUATOR)) == 1


def test_no_more_commands_are_delayed_than_may_wait(
    broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("runtime.delayed_messages", "adapters.celery"):
        monkeypatch.setattr(f"fedface_core.{module}.MOST_WAITING", 1)
    settings = Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory=tmp_path)
    with create_celery(settings) as app:
        publisher = CeleryPublisher(app)
        publisher.publish_later(FOLD, correlation_id="abc", seconds=60)
        publisher.publish_later(FOLD, correlation_id="abc", seconds=60)
        message = "^1 commands for the queue aggregator wait already; no more may$"
        with pytest.raises(UnavailableError, match=message):
            publisher.publish_later(FOLD, correlation_id="another run's", seconds=60)
    kombu.pools.reset()


def test_a_delayed_command_comes_once_and_when_it_is_due(broker_url: str, tmp_path: Path) -> None:
    settings = Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory=tmp_path)
    with create_celery(settings) as app, redis.Redis.from_url(broker_url) as broker:
        publisher = CeleryPublisher(app)
        for _ in range(2):
            publisher.publish_later(FOLD, correlation_id="abc", seconds=60)
        assert move_due(broker, AGGREGATOR) == 0
        assert publisher.queue_depth(AGGREGATOR) == 0
        seconds, _ = broker.time()
        ((_, due),) = broker.zrange(delayed_keys(AGGREGATOR)[0], 0, -1, withscores=True)
        assert 58 <= due / 1e6 - seconds <= 61
        broker.zadd(delayed_keys(AGGREGATOR)[0], {broker.zrange(delayed_keys(AGGREGATOR)[0], 0, 0)[0]: 1})
        assert move_due(broker, AGGREGATOR) == 1
        (raw,) = broker.lrange(AGGREGATOR, 0, -1)
        assert message_of(raw.decode()) == Message(ROUTES[FoldShard].task, FOLD, "abc")
        assert not broker.exists(*delayed_keys(AGGREGATOR))
    kombu.pools.reset()


def test_workers_say_that_they_are_there(broker_url: str) -> None:
    """A publisher sees who takes from a queue; one that ended, or spoke too long ago, is not counted."""
    app = create_celery(Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory=Path()))
    one = WorkerPresence(name="client@one-1", device="cuda", processes=1, torch="2.13.0")
    two = WorkerPresence(name="client@two-2", device="cuda", processes=4, gpu="NVIDIA H100 80GB HBM3")
    with redis.Redis.from_url(broker_url) as broker:
        stopped = Event()
        speaking = Thread(target=keep_saying, args=(broker, "client-cuda", one, stopped))
        speaking.start()
        say(broker, "client-cuda", two)
        publisher = CeleryPublisher(app)
        wait_for("both workers", lambda: {*publisher.workers("client-cuda")} == {one, two}, every=0.01)
        assert publisher.workers("client") == []
        stopped.set()
        speaking.join()
        assert publisher.workers("client-cuda") == [two]
        broker.zadd(workers_key("client-cuda"), {two.model_dump_json(): 1, "{}": 2e12})
        assert publisher.workers("client-cuda") == [], "one is forgotten, and one cannot be read"
    kombu.pools.reset()


def test_a_worker_of_an_earlier_version_is_heard_and_hears(broker_url: str) -> None:
    """It does not say what its GPU is called, and a worker without one says nothing that an earlier version cannot read."""
    app = create_celery(Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory=Path()))
    with redis.Redis.from_url(broker_url) as broker:
        earlier = b'{"name":"client@old-1","device":"cpu","processes":2,"torch":"2.12.0"}'
        broker.zadd(workers_key("client"), {earlier: int(time.time())})
        say(broker, "client", WorkerPresence(name="client@new-2", device="cpu", processes=1))
        said = {worker.name: (worker.torch, worker.gpu) for worker in CeleryPublisher(app).workers("client")}
        assert said == {"client@old-1": ("2.12.0", None), "client@new-2": (None, None)}
        assert broker.zscore(workers_key("client"), b'{"name":"client@new-2","device":"cpu","processes":1,"torch":null}')
    kombu.pools.reset()
