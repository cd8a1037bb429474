"""In which order vectorised clients train, and their updates come."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import Tensor

from fedface_core.domain.ids import client_id
from fedface_learning.client import update as client_update
from fedface_learning.client.local_training import LocalResult, Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import TrainingFailure, Update, training_updates
from fedface_learning.models import initial_network
from fedface_learning.updates.trained import TrainedModels
from support.small_networks import small_plan


def test_groups_have_equally_many_images_and_updates_come_in_the_order_of_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small_plan(local_training={"vectorised_clients": 2})
    trainer = LocalTrainer(initial_network(plan.model, 0))
    untrained_models = TrainedModels({name: tensor.unsqueeze(0) for name, tensor in trainer.global_model.items()})
    groups: list[list[str]] = []

    def untrained(_trainer: LocalTrainer, trainees: list[Trainee], _training: TrainingRound) -> list[LocalResult]:
        groups.append([trainee.client for trainee in trainees])
        return [LocalResult(1.0, 0.5, untrained_models, 0, {}) for _ in trainees]

    monkeypatch.setattr(client_update, "train_vectorised", untrained)
    images = [3, 2, 3, 2, 3]
    trainees = [
        Trainee(client_id(index), torch.zeros(count, 1, 32, 32, dtype=torch.uint8), torch.eye(4)[0], place=index // 2)
        for index, count in enumerate(images)
    ]
    made = list(training_updates(trainer, trainees, TrainingRound(plan, 1)))
    assert groups == [
        ["client-000000", "client-000002"],
        ["client-000001", "client-000003"],
        ["client-000004"],
    ]
    assert [client for client, _ in made] == [trainee.client for trainee in trainees]
    assert [update.accepted.images for _, update in made if isinstance(update, Update)] == images


def test_a_group_that_breaks_off_has_let_go_of_its_memory_when_its_clients_train_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = small_plan(local_training={"vectorised_clients": 2})
    trainer = LocalTrainer(initial_network(plan.model, 0))
    held: list[weakref.ref[Tensor]] = []

    def breaks_off(_trainer: LocalTrainer, trainees: list[Trainee], _training: TrainingRound) -> list[LocalResult]:
        assert not any(tensor() is not None for tensor in held)
        activations = torch.zeros(1000)
        held.append(weakref.ref(activations))
        raise ValueError(f"{len(trainees)} at once")

    monkeypatch.setattr(client_update, "train_vectorised", breaks_off)
    images_NCHW = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    trainees = [Trainee(client_id(index), images_NCHW, torch.eye(4)[0], place=index) for index in range(2)]
    made = dict(training_updates(trainer, trainees, TrainingRound(plan, 1)))
    assert len(held) == 3
    assert ["1 at once" in failed.reason for failed in made.values() if isinstance(failed, TrainingFailure)] == [True, True]
