"""What the strategies do differently, each against its formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_core.learning.data import FaceDataset
from fedface_core.learning.local_training import train_locally
from fedface_core.learning.losses import positive_squared_hinge
from fedface_core.learning.models import EmbeddingNetwork, initial_network
from fedface_core.learning.simulation import simulate

TARGET_D = normalize(torch.arange(16.0), dim=0)


def trained(plan: Plan, images_NCHW: Tensor, number: int = 1) -> EmbeddingNetwork:
    network = initial_network(plan.model, 0)
    train_locally(network, images_NCHW, TARGET_D, plan, number, seed=0)
    return network


def test_fedprox_adds_the_gradient_of_the_distance(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    """Two steps by hand: the gradient of μ/2·‖f − f_global‖² is μ·(f − f_global)."""
    local = {"steps": 2, "learning_rate": 0.05, "momentum": 0.9}
    plan = tiny_plan(strategy={"name": "fedprox", "proximal": 2.0}, local_training=local)
    images_NCHW = tiny_faces.images("person-3")
    network, start = (initial_network(plan.model, 0) for _ in range(2))
    parameters = dict(network.named_parameters())
    velocity: dict[str, Tensor] = {}
    for _ in range(2):
        loss = positive_squared_hinge(network(images_NCHW), TARGET_D, 0.9)
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        with torch.no_grad():
            for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
                full = gradient + 2.0 * (parameter - start.get_parameter(name))
                velocity[name] = 0.9 * velocity.get(name, torch.zeros(())) + full
                parameter.sub_(0.05 * velocity[name])
    for name, found in trained(plan, images_NCHW).named_parameters():
        torch.testing.assert_close(found, parameters[name], rtol=1e-5, atol=1e-7)


def test_without_a_proximal_term_fedprox_is_fedface(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plan = tiny_plan(strategy={"name": "fedprox", "proximal": 0.0})
    assert simulate(plan, dataset=tiny_faces).rounds == simulate(tiny_plan(), dataset=tiny_faces).rounds
    pulled = tiny_plan(strategy={"name": "fedprox", "proximal": 10.0})
    norms = [simulate(each, dataset=tiny_faces).rounds[-1].aggregation.update_norm or 0 for each in (pulled, plan)]
    assert 0 < norms[0] < norms[1]


def test_fedavg_never_spreads(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plain = simulate(tiny_plan(strategy="fedavg"), dataset=tiny_faces)
    assert plain.rounds == simulate(tiny_plan(spreadout={"steps": 0}), dataset=tiny_faces).rounds
    assert len({done.aggregation.class_embeddings_sha256 for done in plain.rounds}) == 1
    assert plain.rounds[-1].aggregation.max_off_diagonal_cosine > 0.3


@pytest.mark.parametrize(
    ("schedule", "rate"),
    [
        ({"schedule": "linear", "final_learning_rate": 0.5}, 0.03),
        ({"schedule": "cosine", "final_learning_rate": 0.5}, 0.03),
        ({"warmup_rounds": 3}, 0.02),
    ],
)
def test_a_round_trains_at_its_own_rate(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset, schedule: dict[str, Any], rate: float
) -> None:
    images_NCHW = tiny_faces.images("person-3")
    scheduled = tiny_plan(local_training={"steps": 2, "learning_rate": 0.04} | schedule, rounds=5)
    number = 2 if "warmup_rounds" in schedule else 3
    constant = tiny_plan(local_training={"steps": 2, "learning_rate": rate})
    for found, expected in zip(
        trained(scheduled, images_NCHW, number).parameters(), trained(constant, images_NCHW).parameters(), strict=True
    ):
        torch.testing.assert_close(found, expected)
