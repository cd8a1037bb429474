"""Services train clients at once: the model is a simulation's, whoever trained beside whom, and whatever was killed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fedface_client import make_updates as making
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import RunPhase
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import TrainingFailure, Update, training_updates
from fedface_learning.simulation.simulate import simulate
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
    ) -> Iterator[tuple[str, Update | TrainingFailure]]:
        groups.append(len(trainees))
        return training_updates(trainer, trainees, training)

    monkeypatch.setattr(making, "training_updates", counted)
    InProcess(plan).run()
    assert groups == [3, 3, 1] * plan.rounds


@pytest.mark.parametrize(("delivery", "trains"), [("single", "training_updates"), ("combined", "trained_groups")])
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
