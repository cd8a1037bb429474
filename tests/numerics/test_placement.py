"""Every tensor of a training is on one device, shown without a GPU: on torch's device for tensors that hold no values.

An operation on tensors of two devices raises there as on a GPU. What needs values, such as a loss as a number, is in
tests/gpu.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.augmentation import StrongAugmentationPlan
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer, SingleNetwork
from fedface_learning.client.vectorised_training import VectorisedNetworks
from fedface_learning.data.augmentation import augment
from fedface_learning.models import EmbeddingNetwork, build_network
from fedface_learning.models.embedding import embed, raw_features
from fedface_learning.objectives.class_sums import ClassSums
from fedface_learning.strategies import STRATEGIES
from fedface_learning.strategies.fedfr import SHARED_EMBEDDINGS, SHARED_IMAGES, SHARED_LABELS
from fedface_learning.strategies.fedfv import EQUIVALENT
from fedface_learning.strategies.public_negatives import PUBLIC

ELSEWHERE = torch.device("meta")
ONE_AND_MANY = [SingleNetwork, VectorisedNetworks]


@pytest.fixture
def no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moving there needs no pinned memory, which needs a GPU."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)


def images(count: int) -> Tensor:
    return torch.zeros(count, 1, 32, 32, dtype=torch.uint8)


def network_of(plan: Plan) -> EmbeddingNetwork:
    with ELSEWHERE:
        return build_network(plan.model)


def networks_of(plan: Plan, kind: Any) -> Any:
    trainer = LocalTrainer(network_of(plan), ELSEWHERE)
    size = plan.model.embedding_size
    guidance = {
        PUBLIC: torch.zeros(5, size),
        EQUIVALENT: torch.zeros(4, size),
        SHARED_IMAGES: images(10),
        SHARED_LABELS: torch.arange(10) // 2,
        SHARED_EMBEDDINGS: torch.zeros(10, size),
        **ClassSums.part_of(torch.eye(size)[0]).tensors(),
    }
    training = TrainingRound(plan, 1, guidance, anchor=network_of(plan) if plan.anchor else None)
    count = plan.local_training.vectorised_clients
    trainees = [Trainee(client_id(index), images(6 - index), torch.zeros(size), place=index) for index in range(count)]
    return kind(trainer, trainees if kind is VectorisedNetworks else trainees[0], training), trainees


@pytest.mark.parametrize("kind", ONE_AND_MANY)
@pytest.mark.parametrize("strategy", [*sorted(STRATEGIES), {"name": "gaussian-negatives", "anchor": 5.0}], ids=str)
def test_losses_and_gradients_are_where_the_network_is(
    tiny_plan: Callable[..., Plan], no_values: None, strategy: Any, kind: Any
) -> None:
    places = 3 if kind is VectorisedNetworks else 1
    plan = tiny_plan(
        strategy=strategy,
        data={"images_per_client": 6},
        split={"public": 4, "clients": 8, "test": 8},
        local_training={"steps": 2, "vectorised_clients": places},
    )
    networks, trainees = networks_of(plan, kind)
    losses_K = networks.losses(networks.stack([trainee.images_NCHW for trainee in trainees], 6, for_loss=True))
    assert (losses_K.shape, losses_K.device.type) == ((places,), "meta")
    torch.autograd.backward(losses_K.sum())
    assert {parameter.grad.device.type for parameter in networks.parameters if parameter.grad is not None} == {"meta"}


def test_images_are_changed_where_they_are(no_values: None) -> None:
    plan = StrongAugmentationPlan(name="strong", reduction=1, blur=0)  # whose numbers the CPU goes by
    assert augment(images(4).to(ELSEWHERE), 0, 0, plan).device.type == "meta"


def test_embeddings_are_where_the_network_is(tiny_plan: Callable[..., Plan], no_values: None, monkeypatch: Any) -> None:
    monkeypatch.setattr("fedface_learning.models.embedding.refuse_overflow", lambda _features: None)
    network = network_of(tiny_plan())
    assert embed(network, images(3)).device.type == "meta"
    assert raw_features(network, images(3).to(ELSEWHERE)).device.type == "meta"
