"""In which order vectorised clients train, and their updates come."""

from __future__ import annotations

import pytest
import torch

from fedface_core.domain.ids import client_id
from fedface_learning.client import update as client_update
from fedface_learning.client.local_training import LocalResult, Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update, training_updates
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
