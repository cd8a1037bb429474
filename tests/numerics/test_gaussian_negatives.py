"""The strategy gaussian-negatives: one step of all clients and the aggregator is one gradient step on all their images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, one_hot

from fedface_core.domain.plan import Plan
from fedface_learning.data import FaceDataset
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.embedding import embed
from fedface_learning.objectives.class_sums import ClassSums
from fedface_learning.simulation.federated_rounds import Federation, federated_rounds
from fedface_learning.simulation.simulate import simulate
from fedface_learning.simulation.simulation_data import SimulationData

RATE = 1e-4
SCALE = 10.0
MARGIN = 0.35


def plan_of(tiny_plan: Callable[..., Plan], **changes: Any) -> Plan:
    settings: dict[str, Any] = {
        "strategy": "gaussian-negatives",
        "split": {"public": 5, "clients": 7, "test": 8},
        "cohort": {"shard_size": 4},
        "local_training": {"steps": 1, "learning_rate": RATE},
        "rounds": 1,
    }
    return tiny_plan(**settings | changes)


def means(network: EmbeddingNetwork, each_NCHW: list[Tensor]) -> Tensor:
    with torch.no_grad():
        return torch.stack([normalize(network(images_NCHW).mean(dim=0), dim=0) for images_NCHW in each_NCHW])


def loss_by_hand(embeddings_ND: Tensor, rows_KD: Tensor, label: int, others_CD: Tensor) -> Tensor:
    """The sum over the images, with the Gaussian of the rows ``others_CD`` written down as in the issue."""
    labels_N = torch.full((len(embeddings_ND),), label)
    logits_NK = SCALE * (embeddings_ND @ rows_KD.T - MARGIN * one_hot(labels_N, len(rows_KD)))
    if not len(others_CD):
        return cross_entropy(logits_NK, labels_N, reduction="sum")
    mean_D = others_CD.mean(dim=0)
    covariance_DD = torch.cov(others_CD.T, correction=0)
    exponent_N = SCALE * embeddings_ND @ mean_D + SCALE**2 / 2 * torch.einsum(
        "nd,de,ne->n", embeddings_ND, covariance_DD, embeddings_ND
    )
    others_N = torch.log(len(others_CD) * torch.exp(exponent_N))
    return cross_entropy(torch.cat([logits_NK, others_N.unsqueeze(1)], dim=1), labels_N, reduction="sum")


@pytest.mark.parametrize(("public", "contrast"), [(0, "softmax"), (5, "softmax"), (5, "public"), (5, "clients")])
def test_a_round_of_one_step_is_the_gradient_of_all_losses_together(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset, public: int, contrast: str
) -> None:
    plan = plan_of(
        tiny_plan,
        strategy={"name": "gaussian-negatives", "contrast": contrast},
        split={"public": public, "clients": 7, "test": 8},
    )
    data = SimulationData.of(plan, tiny_faces)
    network = initial_network(plan.model, plan.seed)
    public = 0 if contrast == "clients" else public  # whoever is public takes no part then
    public_images = [tiny_faces.images(identity) for identity in data.split.public[:public]]
    clients = list(data.images.values())
    public_KD = means(network, public_images) if public else torch.zeros(0, plan.model.embedding_size)
    own_CD = means(network, clients)
    others_CD = own_CD[:0] if contrast == "public" else own_CD
    losses = [
        loss_by_hand(
            network(images_NCHW),
            torch.cat([own_CD[index].unsqueeze(0), public_KD]),
            0,
            torch.cat([others_CD[:index], others_CD[index + 1 :]]),
        )
        for index, images_NCHW in enumerate(clients)
    ]
    losses += [
        loss_by_hand(network(images_NCHW), public_KD, label, others_CD) for label, images_NCHW in enumerate(public_images)
    ]
    loss = torch.stack(losses).sum() / ((7 + public) * 6)
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    start = [parameter.detach().clone() for parameter in network.parameters()]

    *_, (reduced, _) = federated_rounds(plan, network, data)
    for before, after, gradient in zip(start, network.parameters(), gradients, strict=True):
        torch.testing.assert_close((before - after.detach()) / RATE, gradient, rtol=1e-2, atol=2e-3)
    assert (reduced.aggregation.folded, reduced.aggregation.images) == (7, 42), "the aggregator is no client"
    # The class embeddings are rounded to multiples of 2^-15.
    assert reduced.aggregation.loss_before == pytest.approx(float(torch.stack(losses[:7]).detach().sum()) / 42, rel=1e-4)


def test_the_sums_are_those_of_the_newest_class_embedding_of_each_client(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset
) -> None:
    """A client's moves half way to its mean embedding by the network that a round of its starts from."""
    plan = plan_of(tiny_plan, cohort={"size": 3, "shard_size": 2}, rounds=4)
    data = SimulationData.of(plan, tiny_faces)
    network = initial_network(plan.model, plan.seed)
    federation = Federation(plan, network, data)
    federation.enrol()
    newest_CD = means(network, list(data.images.values()))
    for number, members in enumerate([(0, 1, 2), (2, 3, 4), (2, 0, 6)], 1):
        by_base_CD = means(network, list(data.images.values()))
        newest_CD[list(members)] = normalize(newest_CD[list(members)] + by_base_CD[list(members)])
        cohort = [f"client-{index:06d}" for index in sorted(members)]
        reduced = federation.simulate_round(number, cohort)
        assert reduced.guidance is not None
        found = ClassSums.read(decode_tensors(reduced.guidance)[0], 16)
        assert found.clients == 7
        torch.testing.assert_close(found.first_D, newest_CD.double().sum(dim=0), rtol=0, atol=1e-3)
        torch.testing.assert_close(found.second_DD, newest_CD.double().T @ newest_CD.double(), rtol=0, atol=1e-3)


def test_an_anchor_holds_the_embeddings_of_the_clients_photographs(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset
) -> None:
    """The stronger it is, the nearer they are in the end to where the first training round's model had them."""
    cosines = []
    for anchor in (0.0, 10.0, 100.0):
        plan = plan_of(
            tiny_plan,
            strategy={"name": "gaussian-negatives", "contrast": "clients", "anchor": anchor},
            local_training={"steps": 1, "learning_rate": 5e-4},
            rounds=40,
        )
        data = SimulationData.of(plan, tiny_faces)
        network = initial_network(plan.model, plan.seed)
        images_NCHW = torch.cat(list(data.images.values()))
        before_ND = embed(network, images_NCHW)
        *_, (reduced, _) = federated_rounds(plan, network, data)
        assert not reduced.aggregation.refused
        cosines.append(float((embed(network, images_NCHW) * before_ND).sum(dim=1).mean()))
    assert cosines[0] + 0.01 < cosines[1] < cosines[2] < 1


def test_it_makes_no_class_embeddings(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    for done in simulate(plan_of(tiny_plan), dataset=tiny_faces).rounds:
        assert done.aggregation.class_embeddings_sha256 is None
        assert done.aggregation.max_off_diagonal_cosine is None
        assert not done.aggregation.refused


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"aggregation": {"mode": "asynchronous"}, "cohort": {"size": 6, "quorum": 3}},
            "aggregation.mode: .* is synchronous",
        ),
        ({"model": {"centring": True}}, "model.centring: the centre is made of the clients' mean features"),
        (
            {
                "strategy": {"name": "gaussian-negatives", "contrast": "public"},
                "split": {"public": 0, "clients": 7, "test": 8},
            },
            "strategy.contrast 'public' needs 2 public identities",
        ),
        (
            {"strategy": {"name": "gaussian-negatives", "contrast": "clients", "public_steps": 1}},
            "strategy.contrast 'clients' uses nothing public: leave out strategy.public_steps",
        ),
        (
            {"strategy": {"name": "gaussian-negatives", "contrast": "clients", "public_batch": 5}},
            "strategy.contrast 'clients' uses nothing public: leave out strategy.public_batch",
        ),
        (
            {"strategy": {"name": "gaussian-negatives", "contrast": "clients", "guidance_every": 2}},
            "strategy.contrast 'clients' uses nothing public: leave out strategy.guidance_every",
        ),
        ({"strategy": {"name": "gaussian-negatives", "anchor": -1.0}}, "strategy.gaussian-negatives.anchor"),
        ({"initialisation": "random"}, "initialisation: .* each client makes its own"),
        ({"update_encoding": "int8"}, "update_encoding.error_feedback: .* set it to false"),
        ({"spreadout": {"weight": 1.0}}, "spreadout: the strategy 'gaussian-negatives' has none"),
    ],
)
def test_plans_that_it_cannot_follow(tiny_plan: Callable[..., Plan], changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        plan_of(tiny_plan, **changes)


def test_updates_may_be_encoded_without_error_feedback(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plan = plan_of(tiny_plan, update_encoding={"name": "int8", "error_feedback": False}, rounds=2)
    assert not simulate(plan, dataset=tiny_faces).rounds[-1].aggregation.refused
