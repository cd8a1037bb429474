"""Tasks of several clients: in turn, each on its own account, and whoever is left goes back to the queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import EnrolClients, TrainClients
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.ids import client_id
from fedface_core.domain.run import Run, RunPhase
from fedface_learning.client import update as client_update
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update
from fedface_learning.simulation.simulate import simulate
from support.in_process import InProcess
from support.mortal import Killed
from support.tiny_run import tiny_plan

EVERYONE = tuple(client_id(index) for index in range(4))


def in_training(run: Run) -> bool:
    return run.round == 1


def before_training(monkeypatch: pytest.MonkeyPatch, act: Callable[[str], None]) -> None:
    """Has ``act(client)`` happen each time that a client has begun to train."""

    def training_update(trainer: LocalTrainer, trainee: Trainee, training: TrainingRound) -> Update:
        act(trainee.client)
        return client_update.training_update(trainer, trainee, training)

    monkeypatch.setattr("fedface_client.make_update.training_update", training_update)


@pytest.fixture
def one_task_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedface_control.phases.open.in_tasks", lambda _plan, clients: [tuple(clients)] if clients else [])


def ready_to_train(services: InProcess) -> TrainClients:
    """Enrols everybody; returns a task for all of them, in place of those that were published."""
    run_id = services.start()
    services.until(run_id, in_training)
    services.publisher.published.clear()
    return TrainClients(run_id=run_id, round=1, clients=EVERYONE)


@pytest.mark.usefixtures("one_task_a_round")
def test_a_run_in_one_task_a_round_has_the_simulated_model(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    assert services.publisher.commands == [EnrolClients(run_id=run_id, clients=EVERYONE)]
    assert services.to_end(run_id).model_sha256 == simulate(services.plan).model_sha256


@pytest.mark.usefixtures("one_task_a_round")
@pytest.mark.parametrize("redeliver", [True, False])
def test_a_process_may_die_after_every_effect(faces: Path, redeliver: bool) -> None:
    plan = tiny_plan(faces, rounds=1)
    expected, kill_after = simulate(plan).model_sha256, 0
    while True:
        kill_after += 1
        services = InProcess(plan, kill_after=kill_after, redeliver=redeliver)
        run = services.run()
        assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, expected)
        assert services.manifest(run.id, 1).failed == {}
        if services.lifeline.life == 0:
            return


class HeldBack(MemoryArtifacts):
    """A store where one client's update, put while another trains, takes until somebody has died."""

    def __init__(self, client: str) -> None:
        super().__init__()
        self.somebody_died = threading.Event()
        self._held_back = f"rounds/1/updates/{client}.safetensors"

    def put(self, key: str, *data: bytes | memoryview) -> None:
        if key.endswith(self._held_back) and threading.current_thread() is not threading.main_thread():
            assert self.somebody_died.wait(60)
            raise Killed(key)
        super().put(key, *data)


@pytest.mark.usefixtures("one_task_a_round")
@pytest.mark.parametrize("attempts", [1, 2, 3])
@pytest.mark.parametrize("poison", [1, 3])
def test_a_client_that_kills_its_worker_takes_nobody_along(
    faces: Path, monkeypatch: pytest.MonkeyPatch, poison: int, attempts: int
) -> None:
    """Not even the one before, whose update was under way when the process died."""
    store, died = HeldBack(EVERYONE[poison - 1]), []

    def die(client: str) -> None:
        if client == EVERYONE[poison]:
            died.append(client)
            store.somebody_died.set()
            raise Killed(client)

    before_training(monkeypatch, die)
    services = InProcess(tiny_plan(faces, cohort={"attempts": attempts}, rounds=1), artifacts=store)
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    assert services.manifest(run.id, 1).failed == {EVERYONE[poison]: f"gave up after {attempts} attempts"}
    assert len(died) == attempts


def test_the_update_before_is_put_and_recorded_while_a_client_trains(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never two at once, and in order: an update is put, then recorded, before the next is put."""
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    services.lifeline.effects.clear()
    putting: list[str] = []
    put = services.ports.artifacts.put

    def noted_put(key: str, data: bytes) -> None:
        putting.append(threading.current_thread().name)
        put(key, data)

    monkeypatch.setattr(services.ports.artifacts, "put", noted_put)
    services.deliver(task, "all")
    assert [name.startswith("background-delivery") for name in putting] == [True, True, True, False]
    delivered = [effect for effect in services.lifeline.effects if effect.startswith(("put", "accept"))]
    expected = [(f"put {object_keys.update(task.run_id, 1, client)}", f"accept {task.run_id}") for client in EVERYONE]
    assert delivered == [effect for pair in expected for effect in pair]
    assert list(services.ports.ledger.accepted(task.run_id, 1)) == list(EVERYONE)


def test_a_task_delivered_again_goes_on_with_those_who_have_not_settled(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def die_once(client: str) -> None:
        trained.append(client)
        if trained == list(EVERYONE[:3]):
            raise Killed(client)

    before_training(monkeypatch, die_once)
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    services.deliver(task, "all")
    assert services.publisher.commands[-1] == task, "the message of a killed process comes again"
    services.drain()
    assert trained[3:] in ([*EVERYONE[2:]], [*EVERYONE[1:]]), "whose update was under way may or may not be stored"
    assert list(services.ports.ledger.accepted(task.run_id, 1)) == list(EVERYONE)


@pytest.mark.parametrize(
    ("seconds", "handed_back"), [(0.1, []), (0.4, [EVERYONE[3:]]), (0.6, [EVERYONE[2:]]), (60, [(c,) for c in EVERYONE[1:]])]
)
def test_after_its_share_of_time_a_task_hands_the_rest_back(
    faces: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, handed_back: list[tuple[str, ...]]
) -> None:
    """In tasks as large as what was done, so that slow clients come to have a task each."""
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    before_training(monkeypatch, lambda _: services.clock.advance(seconds))
    services.deliver(task, "all")
    back = [command.clients for command in services.publisher.commands if isinstance(command, TrainClients)]
    assert back == handed_back
    assert {correlation_id for _, correlation_id in services.publisher.published} == {"all"}
    services.drain()
    assert list(services.ports.ledger.accepted(task.run_id, 1)) == list(EVERYONE)


def test_an_enrolment_hands_the_rest_back_as_an_enrolment(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    services.publisher.published.clear()

    def enrolment_update(*step: Any) -> Update:
        services.clock.advance(0.6)
        return client_update.enrolment_update(*step)

    monkeypatch.setattr("fedface_client.make_update.enrolment_update", enrolment_update)
    services.deliver(EnrolClients(run_id=run_id, clients=EVERYONE), "all")
    back = [command for command in services.publisher.commands if isinstance(command, EnrolClients)]
    assert back == [EnrolClients(run_id=run_id, clients=EVERYONE[2:])]


def test_a_client_that_fails_unexpectedly_fails_alone(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(client: str) -> None:
        if client == EVERYONE[1]:
            raise ArithmeticError(client)

    before_training(monkeypatch, fail)
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    with pytest.raises(ArithmeticError) as failed:
        services.deliver(task, "all")
    assert failed.value.__notes__ == [f"at work for {EVERYONE[1]}"], "which the log shows"
    assert list(services.ports.ledger.accepted(task.run_id, 1)) == [EVERYONE[0]], "it was delivered all the same"
    assert services.publisher.commands[-1] == TrainClients(run_id=task.run_id, round=1, clients=EVERYONE[2:])


def test_after_a_delivery_that_fails_the_others_go_back_with_the_one_that_was_trained_meanwhile(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    store = services.ports.artifacts
    put = store.put

    def full(key: str, data: bytes) -> None:
        if key.endswith(f"{EVERYONE[1]}.safetensors"):
            raise UnavailableError("the disk is full")
        put(key, data)

    monkeypatch.setattr(store, "put", full)
    with pytest.raises(UnavailableError, match="the disk is full") as failed:
        services.deliver(task, "all")
    assert failed.value.__notes__ == [f"at work for {EVERYONE[1]}"]
    assert list(services.ports.ledger.accepted(task.run_id, 1)) == [EVERYONE[0]]
    assert services.publisher.commands[-1] == TrainClients(run_id=task.run_id, round=1, clients=EVERYONE[2:])


def test_what_the_end_of_a_worker_interrupts_is_left_to_its_message(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(client: str) -> None:
        if client == EVERYONE[2]:
            raise SystemExit

    before_training(monkeypatch, stop)
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    with pytest.raises(SystemExit):
        services.deliver(task, "all")
    assert not any(isinstance(command, TrainClients) for command in services.publisher.commands)


def test_logs_name_the_client_also_in_the_background(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as records:
        services.deliver(task, "all")
    assert [record["client_id"] for record in records if record["event"] == "update_delivered"] == list(EVERYONE)
