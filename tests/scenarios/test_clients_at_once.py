"""Services train clients at once: the model is a simulation's, whoever trained beside whom, and whatever was killed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fedface_client import make_updates as making
from fedface_client.background_delivery import BackgroundDelivery
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import RunPhase
from fedface_learning.client import update as client_update
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update, unencoded_groups
from fedface_learning.client.vectorised_training import train_vectorised
from fedface_learning.simulation.simulate import simulate
from fedface_learning.updates.encoding import UpdateEncoding, update_encoding_of
from support.in_process import Disorder, InProcess
from support.tiny_run import tiny_plan, write_faces

AT_ONCE = {"steps": 2, "learning_rate": 0.05, "vectorised_clients": 3}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("faces"), identities=10)


@pytest.fixture
def plan(faces: Path) -> Plan:
    return tiny_plan(faces, rounds=2, split={"clients": 7}, local_training=AT_ONCE)


def test_the_model_is_that_of_a_simulation_whatever_was_lost_twice_or_killed(plan: Plan) -> None:
    expected = simulate(plan).model_sha256
    run = InProcess(plan).run()
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, expected)
    for seed in range(3):
        disorder = Disorder(seed, reorder=True, duplicate=0.25, drop=0.15, stray_sweep=0.1)
        assert InProcess(plan, disorder, kill_after=20 + 17 * seed).run().model_sha256 == expected


def test_combined_they_make_the_same_model(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedface_core.domain.client_tasks.WORKERS", 1)  # so that a task has several groups
    combined = plan.model_copy(update={"delivery": "combined"})
    expected = simulate(plan).model_sha256
    services = InProcess(combined)
    run = services.run()
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, expected)
    assert len(services.ports.artifacts.keys(f"runs/{run.id}/rounds/1/updates/")) < 7, "some are one object"
    for seed in range(3):
        disorder = Disorder(seed, reorder=True, duplicate=0.25, drop=0.15, stray_sweep=0.1)
        assert InProcess(combined, disorder, kill_after=20 + 17 * seed).run().model_sha256 == expected


def test_clients_of_a_task_train_in_groups(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []

    def counted(
        trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound
    ) -> Iterator[Mapping[str, Callable[[], Update]]]:
        groups.append(len(trainees))
        return unencoded_groups(trainer, trainees, training)

    monkeypatch.setattr(making, "unencoded_groups", counted)
    InProcess(plan).run()
    assert groups == [3, 3, 1] * plan.rounds


@pytest.mark.parametrize(("delivery", "trains"), [("single", "unencoded_groups"), ("combined", "trained_groups")])
def test_a_client_that_kills_the_training_of_its_group_fails_alone(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, delivery: str, trains: str
) -> None:
    guilty = client_id(1)
    train = getattr(making, trains)

    def failing(trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound) -> Any:
        if guilty in [trainee.client for trainee in trainees]:
            raise MemoryError("no memory for this group")
        return train(trainer, trainees, training)

    monkeypatch.setattr(making, trains, failing)
    services = InProcess(plan.model_copy(update={"delivery": delivery}))
    deliver = services.deliver

    def deliver_and_go_on(command: Any, correlation_id: str) -> None:
        try:
            deliver(command, correlation_id)
        except MemoryError:
            assert isinstance(command, TrainClients)

    monkeypatch.setattr(services, "deliver", deliver_and_go_on)
    run_id = services.start()
    run = services.to_end(run_id)
    assert run.phase is RunPhase.COMPLETED
    for number in (1, 2):
        manifest = services.manifest(run_id, number)
        assert [*manifest.failed] == [guilty]
        assert len(manifest.accepted) == 6


def ready_to_train(services: InProcess) -> TrainClients:
    """Enrol all seven clients, drop the published tasks, and return one task that trains all of them."""
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    services.publisher.published.clear()
    return TrainClients(run_id=run_id, round=1, clients=tuple(map(client_id, range(7))))


def updates_of(services: InProcess, run_id: str) -> dict[str, bytes]:
    """What is stored of the updates and residuals of the first round, by key."""
    artifacts = services.ports.artifacts
    return {
        key.removeprefix(f"runs/{run_id}/"): artifacts.get(key)
        for of in ("updates", "residuals")
        for key in artifacts.keys(f"runs/{run_id}/rounds/1/{of}/")
    }


@pytest.mark.parametrize(
    "encoding",
    [{"name": "float32"}, {"name": "top-k", "share": 0.1, "error_feedback": True}, {"name": "int8", "error_feedback": True}],
    ids=lambda encoding: encoding["name"],
)
def test_a_group_is_delivered_while_the_next_one_trains_and_has_the_bytes_of_one_that_is_not(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, encoding: dict[str, Any]
) -> None:
    encoded = Plan.model_validate(plan.model_dump(mode="json") | {"update_encoding": encoding})
    trains_again = threading.Event()
    threads: list[str] = []

    def encode_later(plan: Plan) -> UpdateEncoding:
        threads.append(threading.current_thread().name)
        if len(threads) == 1:
            assert trains_again.wait(60), "the next group trains before the first is encoded"
        return update_encoding_of(plan)

    monkeypatch.setattr(client_update, "update_encoding_of", encode_later)
    delivered: list[int] = []
    unencoded: list[weakref.ref[Callable[[], Update]]] = []

    def noted(*inputs: Any) -> Iterator[Mapping[str, Callable[[], Update]]]:
        for group in unencoded_groups(*inputs):
            unencoded.extend(map(weakref.ref, group.values()))
            yield group
            del group

    monkeypatch.setattr(making, "unencoded_groups", noted)

    def train(*inputs: Any) -> Any:
        delivered.append(len(services.ports.ledger.accepted(task.run_id, 1)))
        assert not any(encode() for encode in unencoded[:-3]), "what is delivered is out of memory"
        if len(delivered) == 2:
            trains_again.set()
        return train_vectorised(*inputs)

    monkeypatch.setattr(client_update, "train_vectorised", train)
    services = InProcess(encoded)
    task = ready_to_train(services)
    services.deliver_now(task)
    background = [name.startswith("background-delivery") for name in threads]
    assert background == [True] * 6 + [False], "nothing trains beside the last group's delivery"
    assert delivered[0] == 0
    assert delivered[2] >= 3, "the group before the last one is delivered: two are in memory at most"

    at_once = InProcess(encoded)
    monkeypatch.setattr(BackgroundDelivery, "begin", BackgroundDelivery.carry_out)
    again = ready_to_train(at_once)
    at_once.deliver_now(again)
    assert updates_of(services, task.run_id) == updates_of(at_once, again.run_id)
    assert set(threads[7:]) == {threading.main_thread().name}


@pytest.mark.parametrize("number", range(7))
def test_after_a_failed_delivery_those_that_are_not_delivered_go_back_one_by_one(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    services = InProcess(plan)
    task = ready_to_train(services)
    put = services.ports.artifacts.put

    def full(key: str, *data: bytes, sha256: str | None = None) -> None:
        if key.endswith(f"{client_id(number)}.safetensors"):
            raise UnavailableError("the disk is full")
        put(key, *data, sha256=sha256)

    monkeypatch.setattr(services.ports.artifacts, "put", full)
    with pytest.raises(UnavailableError, match="the disk is full") as failed:
        services.deliver_now(task)
    assert failed.value.__notes__ == [f"at work for {client_id(number)}"]
    assert [*services.ports.ledger.accepted(task.run_id, 1)] == [*map(client_id, range(number))]
    back = [command.clients for command in services.publisher.commands if isinstance(command, TrainClients)]
    assert sorted(client for clients in back for client in clients) == [*map(client_id, range(number + 1, 7))]
    trained = 3 * min(number // 3 + 2, 3)
    assert [len(clients) for clients in back if clients[0] < client_id(trained)] == [1] * (min(trained, 7) - number - 1)
