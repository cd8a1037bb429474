"""A task of several clients: they work in turn, each fails alone, and the clients that remain go back to the queue."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import EnrolClients, TrainClients
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.ids import client_id
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import Run
from support.client_updates import before_updates
from support.in_process import InProcess
from support.killing import Killed
from support.tiny_run import tiny_plan

EVERYONE = tuple(client_id(index) for index in range(4))


def in_training(run: Run) -> bool:
    return run.round == 1


def ready_to_train(services: InProcess) -> TrainClients:
    """Enrol all clients, drop the published tasks, and return one task that trains all of them."""
    run_id = services.start()
    services.until(run_id, in_training)
    services.publisher.published.clear()
    return TrainClients(run_id=run_id, round=1, clients=EVERYONE)


def test_the_update_before_is_put_and_recorded_while_a_client_trains(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each update is put and then recorded before the next is put."""
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    services.effect_log.effects.clear()
    putting: list[str] = []
    put = services.ports.artifacts.put

    def noted_put(key: str, data: bytes, sha256: str | None = None) -> None:
        putting.append(threading.current_thread().name)
        put(key, data, sha256=sha256)

    monkeypatch.setattr(services.ports.artifacts, "put", noted_put)
    services.deliver_now(task)
    assert [name.startswith("background-delivery") for name in putting] == [True, True, True, False]
    delivered = [effect for effect in services.effect_log.effects if effect.startswith(("put", "accept"))]
    expected = [(f"put {object_keys.update(task.run_id, 1, client)}", f"accept {task.run_id}") for client in EVERYONE]
    assert delivered == [effect for pair in expected for effect in pair]
    assert list(services.ports.ledger.accepted(task.run_id, 1)) == list(EVERYONE)


def test_a_task_delivered_again_goes_on_with_clients_that_have_not_settled(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def die_once(client: str) -> None:
        trained.append(client)
        if trained == list(EVERYONE[:3]):
            raise Killed(client)

    before_updates(monkeypatch, die_once)
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    services.deliver(task, services.ports.ledger.load(task.run_id).correlation_id)
    assert services.publisher.commands[-1] == task, "the message of a killed process comes again"
    services.drain()
    assert trained[3:] in ([*EVERYONE[2:]], [*EVERYONE[1:]]), "whose update was under way may or may not be stored"
    assert list(services.ports.ledger.accepted(task.run_id, 1)) == list(EVERYONE)


@pytest.mark.parametrize(
    ("seconds", "handed_back"), [(0.1, []), (0.4, [EVERYONE[3:]]), (0.6, [EVERYONE[2:]]), (60, [(c,) for c in EVERYONE[1:]])]
)
def test_after_its_time_slice_a_task_hands_the_other_clients_back(
    faces: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, handed_back: list[tuple[str, ...]]
) -> None:
    """The new tasks are as large as the number of clients that finished, so slow clients get a task each."""
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    before_updates(monkeypatch, lambda _: services.clock.advance(seconds))
    services.deliver_now(task)
    back = [command.clients for command in services.publisher.commands if isinstance(command, TrainClients)]
    assert back == handed_back
    of_the_run = services.ports.ledger.load(task.run_id).correlation_id
    assert {correlation_id for _, correlation_id in services.publisher.published} == {of_the_run}
    services.drain()
    assert list(services.ports.ledger.accepted(task.run_id, 1)) == list(EVERYONE)


def test_a_clock_that_is_set_forward_or_back_does_not_end_or_lengthen_the_time_slice(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    jumps = iter((timedelta(hours=1), timedelta(hours=-2)))

    def jump(_client: str) -> None:
        services.clock.set_to(services.clock.now() + next(jumps, timedelta()))
        services.clock.advance(0.4)

    before_updates(monkeypatch, jump)
    services.deliver_now(task)
    back = [command.clients for command in services.publisher.commands if isinstance(command, TrainClients)]
    assert back == [EVERYONE[3:]]


def test_an_enrolment_hands_the_other_clients_back_as_an_enrolment(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    services.publisher.published.clear()

    before_updates(monkeypatch, lambda _: services.clock.advance(0.6), RoundKind.ENROLMENT)
    services.deliver_now(EnrolClients(run_id=run_id, clients=EVERYONE))
    back = [command for command in services.publisher.commands if isinstance(command, EnrolClients)]
    assert back == [EnrolClients(run_id=run_id, clients=EVERYONE[2:])]


def test_a_client_that_fails_unexpectedly_fails_alone(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(client: str) -> None:
        if client == EVERYONE[1]:
            raise ArithmeticError(client)

    before_updates(monkeypatch, fail)
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    with pytest.raises(ArithmeticError) as failed:
        services.deliver_now(task)
    assert failed.value.__notes__ == [f"at work for {EVERYONE[1]}"], "which the log shows"
    assert list(services.ports.ledger.accepted(task.run_id, 1)) == [EVERYONE[0]], "it was delivered all the same"
    assert services.publisher.commands[-1] == TrainClients(run_id=task.run_id, round=1, clients=EVERYONE[2:])


def test_after_a_failed_delivery_the_client_that_trained_meanwhile_goes_back_with_the_others(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    store = services.ports.artifacts
    put = store.put

    def full(key: str, data: bytes, sha256: str | None = None) -> None:
        if key.endswith(f"{EVERYONE[1]}.safetensors"):
            raise UnavailableError("the disk is full")
        put(key, data, sha256=sha256)

    monkeypatch.setattr(store, "put", full)
    with pytest.raises(UnavailableError, match="the disk is full") as failed:
        services.deliver_now(task)
    assert failed.value.__notes__ == [f"at work for {EVERYONE[1]}"]
    assert list(services.ports.ledger.accepted(task.run_id, 1)) == [EVERYONE[0]]
    assert services.publisher.commands[-1] == TrainClients(run_id=task.run_id, round=1, clients=EVERYONE[2:])


def test_what_the_end_of_a_worker_interrupts_is_left_to_its_message(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(client: str) -> None:
        if client == EVERYONE[2]:
            raise SystemExit

    before_updates(monkeypatch, stop)
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    with pytest.raises(SystemExit):
        services.deliver_now(task)
    assert not any(isinstance(command, TrainClients) for command in services.publisher.commands)


def test_logs_name_the_client_also_in_the_background(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    task = ready_to_train(services)
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as records:
        services.deliver_now(task)
    assert [record["client_id"] for record in records if record["event"] == "update_delivered"] == list(EVERYONE)


def test_a_task_of_an_unknown_run_is_an_error_and_stores_nothing(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    services.start()
    stored = list(services.ports.artifacts.keys(""))
    with pytest.raises(LookupError, match="there is no run run-00000000dead"):
        services.deliver(EnrolClients(run_id="run-00000000dead", clients=EVERYONE[:1]), "stray")
    assert services.ports.artifacts.keys("") == stored


def test_clients_with_a_single_attempt_begin_one_by_one(faces: Path) -> None:
    training = {"steps": 1, "vectorised_clients": 4}
    services = InProcess(tiny_plan(faces, rounds=1, cohort={"attempts": 1}, local_training=training))
    task = ready_to_train(services)
    services.effect_log.effects.clear()
    services.deliver_now(task)
    effects = [effect.split()[0] for effect in services.effect_log.effects]
    assert (effects.count("begin_attempts"), effects.count("begin_attempt"), effects.count("accept")) == (0, 4, 4)


def test_clients_that_train_at_once_begin_in_one_trip_but_none_beside_one_on_a_later_attempt(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1, local_training={"steps": 1, "vectorised_clients": 4}))
    task = ready_to_train(services)
    services.ports.ledger.begin_attempt(task.run_id, 1, EVERYONE[2])  # its worker was killed
    services.effect_log.effects.clear()
    services.deliver_now(task)
    effects = [effect.split()[0] for effect in services.effect_log.effects]
    assert (effects.count("begin_attempts"), effects.count("begin_attempt"), effects.count("accept")) == (3, 0, 4)
