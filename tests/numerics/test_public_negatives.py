"""The strategy public-negatives: one step of all clients and the aggregator is one gradient step on all their images."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, one_hot

from fedface_core.domain.plan import Plan
from fedface_learning.data import FaceDataset
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.objectives.spreadout import spread
from fedface_learning.simulation.federated_rounds import Federation, federated_rounds
from fedface_learning.simulation.simulate import simulate
from fedface_learning.simulation.simulation_data import SimulationData

RATE = 1e-4
SCALE = 10.0
MARGIN = 0.35


@pytest.fixture
def plan(tiny_plan: Callable[..., Plan]) -> Plan:
    return tiny_plan(
        strategy="public-negatives",
        split={"public": 5, "clients": 7, "test": 8},
        cohort={"shard_size": 4},
        local_training={"steps": 1, "learning_rate": RATE},
        rounds=1,
    )


def means(network: EmbeddingNetwork, each_NCHW: list[Tensor]) -> Tensor:
    with torch.no_grad():
        return torch.stack([normalize(network(images_NCHW).mean(dim=0), dim=0) for images_NCHW in each_NCHW])


def cosface_by_hand(network: EmbeddingNetwork, images_NCHW: Tensor, rows_KD: Tensor, label: int) -> Tensor:
    """The sum over the images."""
    labels_N = torch.full((len(images_NCHW),), label)
    cosines_NK = network(images_NCHW) @ rows_KD.T - MARGIN * one_hot(labels_N, len(rows_KD))
    return cross_entropy(SCALE * cosines_NK, labels_N, reduction="sum")


def test_a_round_of_one_step_is_the_gradient_of_all_losses_together(plan: Plan, tiny_faces: FaceDataset) -> None:
    data = SimulationData.of(plan, tiny_faces)
    network = initial_network(plan.model, plan.seed)
    public = [tiny_faces.images(identity) for identity in data.split.public]
    clients = list(data.images.values())
    public_KD = means(network, public)
    own_CD = spread(means(network, clients), plan.spreadout)[0]
    losses = [
        cosface_by_hand(network, images_NCHW, torch.cat([own_D.unsqueeze(0), public_KD]), 0)
        for images_NCHW, own_D in zip(clients, own_CD, strict=True)
    ]
    losses += [
        cosface_by_hand(network, images_NCHW, torch.cat([public_KD, own_CD]), label)
        for label, images_NCHW in enumerate(public)
    ]
    loss = torch.stack(losses).sum() / (12 * 6)
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    start = [parameter.detach().clone() for parameter in network.parameters()]

    *_, (reduced, _) = federated_rounds(plan, network, data)
    for before, after, gradient in zip(start, network.parameters(), gradients, strict=True):
        torch.testing.assert_close((before - after.detach()) / RATE, gradient, rtol=1e-2, atol=2e-3)
    assert (reduced.aggregation.folded, reduced.aggregation.images) == (7, 42), "the aggregator is no client"
    assert reduced.aggregation.loss_before == pytest.approx(float(torch.stack(losses[:7]).detach().sum()) / 42, rel=1e-5)


def test_class_embeddings_follow_the_network(plan: Plan, tiny_faces: FaceDataset) -> None:
    data = SimulationData.of(plan, tiny_faces)
    network = initial_network(plan.model, plan.seed)
    before, (after, _) = federated_rounds(plan, network, data)
    assert before[0].aggregation.class_embeddings_sha256 != after.aggregation.class_embeddings_sha256
    found_CD = decode_class_embeddings(after.class_embeddings, 16)
    # Each client's by its own trained network, of one small step from the global one.
    global_CD = means(initial_network(plan.model, plan.seed), list(data.images.values()))
    torch.testing.assert_close(found_CD, spread(global_CD, plan.spreadout)[0], rtol=0, atol=0.05)


def test_guidance_is_of_the_public_identities_alone(plan: Plan, tiny_faces: FaceDataset) -> None:
    data = SimulationData.of(plan, tiny_faces)
    network = initial_network(plan.model, plan.seed)
    public = [tiny_faces.images(identity) for identity in data.split.public]
    for reduced, _ in federated_rounds(plan, network, data):
        assert reduced.guidance is not None
        guidance, _ = decode_tensors(reduced.guidance)
        assert list(guidance) == ["public_KD"]
        torch.testing.assert_close(guidance["public_KD"], means(network, public), rtol=1e-5, atol=1e-6)


def test_the_centre_counts_public_photographs_too(plan: Plan, tiny_faces: FaceDataset) -> None:
    centred = plan.model_copy(update={"model": plan.model.model_copy(update={"centring": True})})
    data = SimulationData.of(centred, tiny_faces)
    network = initial_network(centred.model, centred.seed)
    Federation(centred, network, data).enrol()
    enrolled_D = network.centre.clone()
    *_, _last = federated_rounds(centred, initial_network(centred.model, centred.seed), data)
    result = simulate(centred, dataset=tiny_faces, evaluate_at=lambda _number: False)
    centre_D = decode_tensors(result.model)[0]["centre"]
    assert not torch.equal(centre_D, enrolled_D)
    assert 0 < float((centre_D - enrolled_D).norm()) < float(enrolled_D.norm())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"split": {"clients": 8, "test": 8, "public": 1}}, "split.public is 1; the strategy 'public-negatives' needs 2"),
        (
            {"aggregation": {"mode": "asynchronous"}, "cohort": {"size": 6, "quorum": 3}},
            "aggregation.mode: the strategy 'public-negatives' is synchronous",
        ),
    ],
)
def test_plans_that_it_cannot_follow(tiny_plan: Callable[..., Plan], changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        tiny_plan(**{"strategy": "public-negatives", "split": {"public": 4, "clients": 8, "test": 8}} | changes)
