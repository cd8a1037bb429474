"""The global model of a trainer, and what its network is between two clients."""

from __future__ import annotations

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network, network_tensors
from support.small_networks import small_plan

PLAN = small_plan(local_training={"steps": 1, "learning_rate": 0.5})


def test_the_network_is_the_clients_until_it_is_reset() -> None:
    trainer = LocalTrainer(initial_network(PLAN.model, 0))
    before = encode_network(trainer.network)
    images_NCHW = torch.randint(256, (2, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    result = trainer.train(Trainee("client-000000", images_NCHW, torch.eye(4)[0]), TrainingRound(PLAN, 1))
    assert encode_network(trainer.network) != before
    assert all(torch.equal(result.model[name], tensor) for name, tensor in network_tensors(trainer.network).items())
    assert encode_network(trainer.reset()) == before


def test_another_global_model_is_taken_only_if_it_fits() -> None:
    trainer = LocalTrainer(initial_network(PLAN.model, 0))
    other = initial_network(PLAN.model, 1)
    trainer.start_from(network_tensors(other), "the other model")
    assert encode_network(trainer.reset()) == encode_network(other)
    with pytest.raises(InvalidInputError, match="the wrong model does not fit"):
        trainer.start_from({"weight": torch.ones(2)}, "the wrong model")
    assert encode_network(trainer.reset()) == encode_network(other)


def test_without_a_step_the_network_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small_plan(local_training={"steps": 0})
    trainer = LocalTrainer(initial_network(plan.model, 0))
    batches: list[int] = []
    real = trainer.network.features_of_pixels

    def noted(pixels_NCHW: torch.Tensor) -> torch.Tensor:
        batches.append(len(pixels_NCHW))
        return real(pixels_NCHW)

    monkeypatch.setattr(trainer.network, "features_of_pixels", noted)
    images_NCHW = torch.randint(256, (2, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    result = trainer.train(Trainee("client-000000", images_NCHW, torch.eye(4)[0]), TrainingRound(plan, 1))
    assert (result.loss_before == result.loss_after > 0, batches) == (True, [2])
