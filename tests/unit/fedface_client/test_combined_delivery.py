"""Combined delivery: the clients of a task are one object for each shard, and all of an object are accepted or none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fedface_client import device
from fedface_core.adapters.memory import MemoryLedger
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.errors import InvalidInputError, UnavailableError
from fedface_core.domain.failures import client_step
from fedface_core.domain.ids import client_id
from fedface_core.domain.update import AcceptedUpdate, Receipt, group_digest
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import trained_groups
from support.in_process import InProcess
from support.killing import Killed
from support.tiny_run import tiny_plan

EVERYONE = tuple(client_id(index) for index in range(4))


def ready_to_train(services: InProcess) -> TrainClients:
    """Enrol all clients, drop the published tasks, and return one task that trains all of them."""
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    services.publisher.published.clear()
    return TrainClients(run_id=run_id, round=1, clients=EVERYONE)


@pytest.fixture
def services(faces: Path) -> InProcess:
    return InProcess(tiny_plan(faces, rounds=1, delivery="combined", cohort={"shard_size": 4}))


def test_one_object_is_put_and_then_one_step_recorded(services: InProcess) -> None:
    task = ready_to_train(services)
    services.effect_log.effects.clear()
    services.deliver_now(task)
    key = object_keys.combined_update(task.run_id, 1, group_digest(EVERYONE))
    delivered = [effect for effect in services.effect_log.effects if effect.startswith(("put", "accept"))]
    assert delivered == [f"put {key}", f"accept_all {task.run_id}"]
    accepted = services.ports.ledger.accepted(task.run_id, 1)
    assert list(accepted) == list(EVERYONE)
    assert len({update.loss_before for update in accepted.values()}) == 4, "each client has declared its own losses"
    assert {(update.group, update.size) for update in accepted.values()} == {
        (group_digest(EVERYONE), services.ports.artifacts.size(key))
    }


def test_a_client_that_cannot_train_fails_alone(services: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    def photographs(workbench: Any, invitation: Any) -> Any:
        if invitation.client_id == EVERYONE[1]:
            raise InvalidInputError("there are no photographs")
        return device.photographs(workbench, invitation)

    task = ready_to_train(services)
    monkeypatch.setattr("fedface_client.make_update.photographs", photographs)
    services.deliver_now(task)
    others = (EVERYONE[0], *EVERYONE[2:])
    assert services.ports.ledger.failed(task.run_id, 1) == {EVERYONE[1]: "there are no photographs"}
    accepted = services.ports.ledger.accepted(task.run_id, 1)
    assert {client: update.group for client, update in accepted.items()} == dict.fromkeys(others, group_digest(others))


def test_clients_of_which_another_task_has_settled_one_are_asked_again_one_by_one(
    services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = ready_to_train(services)
    accept_all = MemoryLedger.accept_all
    delivered: list[tuple[str, ...]] = []

    def overtaken(ledger: MemoryLedger, run_id: str, number: int, updates: dict[str, AcceptedUpdate]) -> Receipt:
        if not delivered:
            delivered.append(tuple(updates))
            services.deliver_now(TrainClients(run_id=run_id, round=1, clients=EVERYONE[2:3]))
        return accept_all(ledger, run_id, number, updates)

    monkeypatch.setattr(MemoryLedger, "accept_all", overtaken)
    services.deliver_now(task)
    assert delivered == [EVERYONE]
    assert list(services.ports.ledger.accepted(task.run_id, 1)) == [EVERYONE[2]]
    asked = [command.clients for command in services.publisher.commands if isinstance(command, TrainClients)]
    assert asked == [(client,) for client in EVERYONE]
    services.to_end(task.run_id)
    accepted = services.ports.ledger.accepted(task.run_id, 1)
    assert {client: update.group for client, update in accepted.items()} == {
        client: group_digest([client]) for client in EVERYONE
    }


def test_after_the_deadline_all_are_late(services: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    task = ready_to_train(services)
    accept_all = MemoryLedger.accept_all

    def too_late(ledger: MemoryLedger, *arguments: Any) -> Receipt:
        services.clock.advance(30 * 86_400)
        return accept_all(ledger, *arguments)

    monkeypatch.setattr(MemoryLedger, "accept_all", too_late)
    services.deliver_now(task)
    assert services.ports.ledger.accepted(task.run_id, 1) == {}
    assert services.ports.ledger.round_summary(task.run_id, 1).late == 4


def test_after_a_kill_each_client_is_delivered_by_itself(services: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a client that kills its worker makes no other one fail, however often it does."""
    task = ready_to_train(services)

    def kills(trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound) -> Any:
        if EVERYONE[2] in [trainee.client for trainee in trainees]:
            raise Killed("out of memory")
        return trained_groups(trainer, trainees, training)

    monkeypatch.setattr("fedface_client.make_updates.trained_groups", kills)
    services.deliver_now(task)
    assert services.ports.ledger.accepted(task.run_id, 1) == {}
    services.deliver_now(task)
    accepted = services.ports.ledger.accepted(task.run_id, 1)
    assert {client: update.group for client, update in accepted.items()} == {
        client: group_digest([client]) for client in EVERYONE[:2]
    }


def test_if_the_store_is_away_no_attempt_is_used_up_and_any_other_error_is_counted_for_each_client(
    services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = ready_to_train(services)
    ledger = services.ports.ledger

    def deliver_with(error: Exception) -> None:
        def broken(*_: object, **__: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(services.ports.artifacts, "put", broken)
            with pytest.raises(type(error)):
                services.deliver_now(task)

    deliver_with(UnavailableError("the store is away"))
    assert list(ledger.failures(task.run_id, 1)) == []
    deliver_with(ZeroDivisionError("a bug"))
    counted = {failure.step: failure.reason.split(" (")[0] for failure in ledger.failures(task.run_id, 1)}
    assert counted == {client_step(client): "ZeroDivisionError" for client in EVERYONE}
    assert [ledger.begin_attempt(task.run_id, 1, client) for client in EVERYONE] == [2] * 4, "the bug took one attempt"
