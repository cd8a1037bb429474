"""What a client does when it is delivered twice, too late, too often, or cannot use its data; and what it reads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import EnrolClients, FoldShard, HandleFact, TrainClients
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import Run, RunPhase
from fedface_core.runtime.metrics import CountedArtifacts
from fedface_learning.client import update as client_update
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update
from fedface_learning.data import ImageSize, open_dataset, split_identities
from fedface_learning.formats.codec import decode_tensors, encode_tensors
from fedface_learning.simulation.simulate import simulate
from support.in_process import InProcess
from support.mortal import Killed
from support.tiny_run import tiny_plan, write_faces

VICTIM = "client-000001"


def updates(outcome: str, reason: str) -> float:
    return REGISTRY.get_sample_value("fedface_updates_total", {"outcome": outcome, "reason": reason}) or 0.0


def bytes_read(kind: str) -> float:
    return REGISTRY.get_sample_value("fedface_artifact_bytes_total", {"operation": "get", "kind": kind}) or 0.0


def in_training(run: Run) -> bool:
    return run.round == 1


def before_training(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Has ``act(client)`` happen each time that a client has begun to train."""

    def training_update(trainer: LocalTrainer, trainee: Trainee, training: TrainingRound) -> Update:
        act(trainee.client)
        return client_update.training_update(trainer, trainee, training)

    monkeypatch.setattr("fedface_client.make_update.training_update", training_update)


def test_a_client_whose_photographs_cannot_be_read_fails_with_the_reason(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "faces")
    plan = tiny_plan(folder)
    dataset = open_dataset(plan.data, ImageSize.of(plan.model), plan.split.identities)
    identity = split_identities(dataset.identities, plan.split).clients[1]
    (folder / identity / "0.png").write_bytes(b"not an image")
    before = updates("failed", "client")

    services = InProcess(plan)
    run = services.run()

    assert run.phase is RunPhase.COMPLETED
    enrolment = services.manifest(run.id, 0)
    assert list(enrolment.failed) == [VICTIM]
    assert f"{identity}/0.png is not a JPEG, PNG or PGM image" in enrolment.failed[VICTIM]
    assert VICTIM not in services.manifest(run.id, 1).round.cohort
    assert updates("failed", "client") == before + 1


def test_a_worker_reads_a_clients_photographs_once(tmp_path: Path) -> None:
    plan = tiny_plan(write_faces(tmp_path / "faces"))
    services = InProcess(plan)
    run_id = services.start()
    services.until(run_id, in_training)
    expected = simulate(plan).model_sha256
    dataset = open_dataset(plan.data, ImageSize.of(plan.model), plan.split.identities)
    for identity in split_identities(dataset.identities, plan.split).clients:
        shutil.rmtree(tmp_path / "faces" / identity)
    assert services.to_end(run_id).model_sha256 == expected


def test_where_no_client_has_data_the_run_fails_and_the_round_says_why(tmp_path: Path) -> None:
    services = InProcess(tiny_plan(tmp_path / "nowhere"))
    run = services.run()
    assert run.phase is RunPhase.FAILED
    assert run.failure == "round 0: 0 updates were accepted, fewer than the minimum 1"
    reasons = services.ports.ledger.failed(run.id, 0)
    assert len(reasons) == 4
    assert all("there is no folder" in reason for reason in reasons.values())


def test_too_few_identities_fail_every_client(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, split={"clients": 7}))
    run = services.run()
    assert run.phase is RunPhase.FAILED
    assert "the data set has 8" in services.ports.ledger.failed(run.id, 0)[VICTIM]


def test_a_client_that_kills_its_worker_every_time_is_given_up(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[str] = []

    def die(client: str) -> None:
        if client == VICTIM:
            died.append(client)
            raise Killed(client)

    before_training(monkeypatch, die)
    services = InProcess(tiny_plan(faces, cohort={"attempts": 3}, rounds=1))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    assert services.manifest(run.id, 1).failed == {VICTIM: "gave up after 3 attempts"}
    assert len(died) == 3


def test_a_stored_update_is_not_trained_again(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between put and acceptance, a client finds its update in the store when the task comes again."""
    plan = tiny_plan(faces, rounds=1)
    unharmed = InProcess(plan)
    put = f"put {object_keys.update(unharmed.run().id, 1, VICTIM)}"

    trained: list[str] = []
    before_training(monkeypatch, trained.append)
    services = InProcess(plan, kill_after=unharmed.lifeline.effects.index(put) + 1)
    run = services.run()
    assert trained.count(VICTIM) == 1
    assert [effect for effect in services.lifeline.effects if effect.endswith(f"rounds/1/updates/{VICTIM}.safetensors")] == [
        put.replace(put.split("/")[1], run.id)
    ]
    assert run.model_sha256 == simulate(plan).model_sha256


def test_a_stored_enrolment_is_not_made_again(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names no model version that it started from, and is taken all the same."""
    plan = tiny_plan(faces, rounds=1)
    unharmed = InProcess(plan)
    put = f"put {object_keys.update(unharmed.run().id, 0, VICTIM)}"
    enrolled: list[int] = []

    def enrolment_update(*step: Any) -> Update:
        enrolled.append(len(enrolled))
        return client_update.enrolment_update(*step)

    monkeypatch.setattr("fedface_client.make_update.enrolment_update", enrolment_update)
    services = InProcess(plan, kill_after=unharmed.lifeline.effects.index(put) + 1)
    assert services.run().model_sha256 == simulate(plan).model_sha256
    assert services.lifeline.life > 0, "its worker was killed"
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
    before_training(monkeypatch, interfere)
    assert services.to_end(run_id).model_sha256 == simulate(plan).model_sha256
    assert garbage_put


def test_a_stored_update_of_another_model_is_made_again(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An asynchronous round whose ledger was lost may be opened anew from another model version."""
    plan = tiny_plan(faces, rounds=1)
    services = InProcess(plan)
    run_id = services.start()
    services.until(run_id, in_training)
    key = object_keys.update(run_id, 1, VICTIM)
    services.deliver(TrainClients(run_id=run_id, round=1, clients=("client-000000",)), "another's")
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
    services.deliver(command, "first")
    accepted = services.ports.ledger.accepted(run_id, 1)
    effects = len(services.lifeline.effects)
    services.deliver(command, "second")
    assert services.ports.ledger.accepted(run_id, 1) == accepted
    assert services.lifeline.effects[effects:] == [f"begin_attempt {run_id}"]


def test_two_deliveries_at_once_count_once(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second worker settles while the first still trains; the first is told that it is a duplicate."""
    plan = tiny_plan(faces)
    services = InProcess(plan)
    run_id = services.start()
    overtaken: list[str] = []

    def overtake(client: str) -> None:
        if client == VICTIM and not overtaken:
            overtaken.append(client)
            services.restart_services()  # another process
            services.deliver(TrainClients(run_id=run_id, round=1, clients=(VICTIM,)), "overtakes")

    before_training(monkeypatch, overtake)
    before = updates("refused", "duplicate")
    run = services.to_end(run_id)
    assert updates("refused", "duplicate") == before + 1
    assert services.manifest(run_id, 1).round.aggregation == simulate(plan).rounds[1].aggregation
    assert run.model_sha256 == simulate(plan).model_sha256


def test_an_update_after_the_deadline_is_refused_as_late(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(tiny_plan(faces, cohort={"deadline_seconds": 100}, rounds=1))

    def dawdle(client: str) -> None:
        if client == "client-000003":  # the last, so that the others are in time
            services.clock.advance(100)

    before_training(monkeypatch, dawdle)
    before = updates("refused", "late")
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    assert updates("refused", "late") == before + 1
    assert list(services.manifest(run.id, 1).accepted) == [f"client-00000{index}" for index in range(3)]


def test_a_failure_after_the_deadline_is_not_counted(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(tiny_plan(faces, cohort={"deadline_seconds": 100, "attempts": 1}, rounds=1))
    run_id = services.start()
    services.until(run_id, in_training)
    last = TrainClients(run_id=run_id, round=1, clients=("client-000003",))
    services.ports.ledger.begin_attempt(run_id, 1, last.clients[0], services.clock.now())
    services.clock.advance(100)
    before = updates("failed", "client")
    services.deliver(last, "too often, and late")
    assert updates("failed", "client") == before
    assert services.ports.ledger.failed(run_id, 1) == {}


def test_the_deadline_closes_a_round_without_those_who_are_not_there(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, cohort={"deadline_seconds": 100}, rounds=1))
    run_id = services.start()
    train = services.handlers[TrainClients]
    services.handlers[TrainClients] = lambda command, cid: train(command, cid) if VICTIM not in command.clients else None
    run = services.to_end(run_id)
    assert run.phase is RunPhase.COMPLETED
    manifest = services.manifest(run_id, 1)
    assert VICTIM not in manifest.accepted
    assert len(manifest.accepted) == 3
    assert manifest.round.closed_at is not None
    assert manifest.round.closed_at > manifest.round.deadline_at


def test_with_fewer_than_the_minimum_the_round_is_abandoned_and_the_run_fails(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, cohort={"deadline_seconds": 100, "minimum": 2, "retries": 0}))
    run_id = services.start()
    train = services.handlers[TrainClients]
    services.handlers[TrainClients] = lambda command, cid: train(command, cid) if VICTIM in command.clients else None
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    assert run.failure == "round 1: 1 updates were accepted, fewer than the minimum 2"
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.ABANDONED


def test_a_client_reads_no_class_embedding_but_its_own(faces: Path) -> None:
    """16 bytes: four float32 numbers, of the four clients' 64."""
    services = InProcess(tiny_plan(faces), artifacts=CountedArtifacts(MemoryArtifacts()))
    run_id = services.start()
    services.until(run_id, in_training)
    of_all = services.ports.ledger.load_round(run_id, 1).class_embeddings_sha256
    assert services.ports.artifacts.size(object_keys.class_embeddings(run_id, of_all or "")) == 64
    for index in range(4):
        before = bytes_read("class_embedding"), bytes_read("update")
        services.deliver(TrainClients(run_id=run_id, round=1, clients=(f"client-{index:06d}",)), "own row")
        assert (bytes_read("class_embedding") - before[0], bytes_read("update") - before[1]) == (16, 0)


def test_a_client_tells_the_aggregator_of_a_settled_shard_or_control_of_a_ready_round(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    services.publisher.published.clear()
    messages = []
    for index in range(4):
        services.deliver(EnrolClients(run_id=run_id, clients=(f"client-{index:06d}",)), "named")
        messages.append([type(command) for command in services.publisher.commands])
        assert {correlation_id for _, correlation_id in services.publisher.published} <= {"named"}
        services.publisher.published.clear()
    assert messages == [[], [FoldShard], [], [HandleFact]]


def test_an_update_of_the_wrong_run_is_not_found(faces: Path) -> None:
    """Ids that nobody opened are an error of the message, which the task drops; nothing is stored."""
    services = InProcess(tiny_plan(faces))
    services.start()
    stored = list(services.ports.artifacts.keys(""))
    with pytest.raises(LookupError, match="there is no run run-00000000dead"):
        services.deliver(EnrolClients(run_id="run-00000000dead", clients=(VICTIM,)), "stray")
    assert services.ports.artifacts.keys("") == stored


FEWER = {"schedule": "linear", "final_learning_rate": 0.5, "final_steps": 1}


@pytest.mark.parametrize(
    ("local", "number", "seen"),
    [({}, 1, 6), ({"batch_size": 1}, 1, 3), ({"batch_size": 100}, 1, 6), (FEWER, 1, 6), (FEWER, 2, 2)],
)
def test_each_step_counts_the_images_that_it_saw(faces: Path, local: dict[str, Any], number: int, seen: int) -> None:
    services = InProcess(tiny_plan(faces, local_training={"steps": 3} | local))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == number)
    before = REGISTRY.get_sample_value("fedface_training_images_total") or 0.0
    services.deliver(TrainClients(run_id=run_id, round=number, clients=(VICTIM,)), "one")
    assert (REGISTRY.get_sample_value("fedface_training_images_total") or 0.0) - before == seen, "of the client's two images"
