"""One attempt of a client: when it is counted, when it is given up, and which stored updates it uses again."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.failures import PROCESS_ENDED
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import Run, RunPhase
from fedface_learning.formats.codec import decode_tensors, encode_tensors
from fedface_learning.simulation.simulate import simulate
from support.client_updates import before_updates
from support.in_process import InProcess
from support.killing import Killed
from support.tiny_run import tiny_plan

VICTIM = "client-000001"


def in_training(run: Run) -> bool:
    return run.round == 1


def test_a_client_that_kills_its_worker_every_time_is_given_up(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[str] = []

    def die(client: str) -> None:
        if client == VICTIM:
            died.append(client)
            raise Killed(client)

    before_updates(monkeypatch, die)
    services = InProcess(tiny_plan(faces, cohort={"attempts": 3}, rounds=1))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    assert services.manifest(run.id, 1).failed == {VICTIM: f"gave up after 3 attempts: {PROCESS_ENDED}"}
    assert len(died) == 3


def test_a_stored_update_is_not_trained_again(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client whose worker is killed between put and acceptance finds its update in the store when the task comes again."""
    plan = tiny_plan(faces, rounds=1)
    unharmed = InProcess(plan)
    put = f"put {object_keys.update(unharmed.run().id, 1, VICTIM)}"

    trained: list[str] = []
    before_updates(monkeypatch, trained.append)
    services = InProcess(plan, kill_after=unharmed.effect_log.effects.index(put) + 1)
    run = services.run()
    assert trained.count(VICTIM) == 1
    assert [
        effect for effect in services.effect_log.effects if effect.endswith(f"rounds/1/updates/{VICTIM}.safetensors")
    ] == [put.replace(put.split("/")[1], run.id)]
    assert run.model_sha256 == simulate(plan).model_sha256


def test_a_stored_enrolment_is_not_made_again(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stored enrolment names no model version that it started from, and is used all the same."""
    plan = tiny_plan(faces, rounds=1)
    unharmed = InProcess(plan)
    put = f"put {object_keys.update(unharmed.run().id, 0, VICTIM)}"
    enrolled: list[str] = []
    before_updates(monkeypatch, enrolled.append, RoundKind.ENROLMENT)
    services = InProcess(plan, kill_after=unharmed.effect_log.effects.index(put) + 1)
    assert services.run().model_sha256 == simulate(plan).model_sha256
    assert services.effect_log.kills > 0, "its worker was killed"
    assert len(enrolled) == 4, "each client once"


@pytest.mark.parametrize("garbage", [b"", b"garbage"])
def test_a_stored_update_that_cannot_be_used_is_made_again(
    faces: Path, monkeypatch: pytest.MonkeyPatch, garbage: bytes
) -> None:
    plan = tiny_plan(faces, rounds=1)
    services = InProcess(plan)
    run_id = services.start()

    def interfere(client: str) -> None:
        if client == VICTIM and not garbage_put:
            garbage_put.append(client)
            services.ports.artifacts.put(object_keys.update(run_id, 1, VICTIM), garbage)
            raise Killed(client)

    garbage_put: list[str] = []
    before_updates(monkeypatch, interfere)
    assert services.to_end(run_id).model_sha256 == simulate(plan).model_sha256
    assert garbage_put


def test_a_stored_update_of_another_model_is_made_again(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An asynchronous round whose ledger was lost may be opened again from another model version."""
    plan = tiny_plan(faces, rounds=1)
    services = InProcess(plan)
    run_id = services.start()
    services.until(run_id, in_training)
    key = object_keys.update(run_id, 1, VICTIM)
    services.deliver(
        TrainClients(run_id=run_id, round=1, clients=("client-000000",)), services.ports.ledger.load(run_id).correlation_id
    )
    tensors, metadata = decode_tensors(services.ports.artifacts.get(object_keys.update(run_id, 1, "client-000000")))
    services.ports.artifacts.put(key, encode_tensors(tensors, metadata | {"started_from": "0" * 64}))
    run = services.to_end(run_id)
    assert run.model_sha256 == simulate(plan).model_sha256
    assert services.manifest(run_id, 1).accepted[VICTIM].started_from == services.manifest(run_id, 1).round.model_sha256


def test_a_task_delivered_again_after_it_was_done_does_nothing(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, in_training)
    command = TrainClients(run_id=run_id, round=1, clients=(VICTIM,))
    services.deliver_now(command)
    accepted = services.ports.ledger.accepted(run_id, 1)
    effects = len(services.effect_log.effects)
    services.deliver_now(command)
    assert services.ports.ledger.accepted(run_id, 1) == accepted
    assert services.effect_log.effects[effects:] == [f"begin_attempt {run_id}"]


def test_an_object_that_is_too_large_for_an_update_is_not_used(faces: Path) -> None:
    """Whoever may put updates could put one of gigabytes, which would end every worker that reads it whole."""
    services = InProcess(tiny_plan(faces, rounds=1))
    run_id = services.start()
    services.until(run_id, in_training)
    key = object_keys.update(run_id, 1, VICTIM)
    services.ports.artifacts.put(key, bytes(2**20 + 10_000))
    with structlog.testing.capture_logs() as logs:
        run = services.to_end(run_id)
    (reason,) = [entry["reason"] for entry in logs if entry["event"] == "stored_update_unusable"]
    assert f"the object {key} has {2**20 + 10_000} bytes; it may have" in reason
    assert run.model_sha256 == simulate(services.plan).model_sha256
