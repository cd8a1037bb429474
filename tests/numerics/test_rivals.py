"""The rivals FedUV, FedFV and FedFR: a round of one step is one step along the gradient of their losses, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_learning.data import FaceDataset
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.simulation.federated_rounds import federated_rounds
from fedface_learning.simulation.simulation_data import SimulationData

RATE = 1e-3
PlanOf = Callable[..., Plan]
Loss = Callable[[int, Tensor], Tensor]


@pytest.fixture
def plan_of(tiny_plan: PlanOf) -> PlanOf:
    def plan(strategy: Any) -> Plan:
        split = {"public": 5, "clients": 7, "test": 8}
        local = {"steps": 1, "learning_rate": RATE, "losses": "seen"}
        return tiny_plan(strategy=strategy, split=split, cohort={"shard_size": 4}, local_training=local, rounds=1)

    return plan


def unit(rows: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows / lengths


def cosface_by_hand(cosines_K: Tensor, label: int, scale: float, margin: float) -> Tensor:
    logits_K = scale * cosines_K
    own = logits_K[label] - scale * margin
    others_K = torch.cat([logits_K[:label], logits_K[label + 1 :]])
    return torch.log(1 + torch.exp(others_K - own).sum())


class OneRound:
    """Enrolment and a round of a plan, and the float64 network that the round started from."""

    def __init__(self, plan: Plan, faces: FaceDataset) -> None:
        self.data = SimulationData.of(plan, faces)
        network = initial_network(plan.model, plan.seed)
        (enrolled, _), (trained, _) = federated_rounds(plan, network, self.data)
        self.enrolled = enrolled
        self.trained = trained
        self.rows_CD = decode_class_embeddings(enrolled.class_embeddings, 16).double()
        self.guidance = decode_tensors(enrolled.guidance)[0] if enrolled.guidance else {}
        self.clients = list(self.data.images.values())
        self.start: EmbeddingNetwork = initial_network(plan.model, plan.seed).double()
        self.public = [faces.images(identity) for identity in self.data.split.public]

    def embeddings(self, images_NCHW: Tensor) -> Tensor:
        """By the network that the round started from, in float64, with gradients."""
        pixels_NCHW = (images_NCHW.double() - self.start.pixel_mean[0]) / self.start.pixel_scale
        return unit(self.start.features_of_pixels(pixels_NCHW))

    def assert_is_a_step_on(self, loss: Loss) -> None:
        """``loss(client, embeddings_ND)`` is the sum over the images; the round is a step on the mean over all images."""
        losses = [loss(client, self.embeddings(images_NCHW)) for client, images_NCHW in enumerate(self.clients)]
        total = torch.stack(losses).sum() / sum(len(images_NCHW) for images_NCHW in self.clients)
        gradients = torch.autograd.grad(total, list(self.start.parameters()))
        model = decode_tensors(b"".join(self.trained.model))[0]
        for (name, before), gradient in zip(self.start.named_parameters(), gradients, strict=True):
            moved = (before.detach() - model[name].double()) / RATE
            torch.testing.assert_close(moved, gradient, rtol=1e-2, atol=1e-3)
        assert self.trained.aggregation.loss_before == pytest.approx(total.item(), rel=1e-4)
        assert max(float(gradient.abs().max()) for gradient in gradients) > 0.01

    def means(self, each: list[Tensor]) -> Tensor:
        """The mean embeddings (K, D), at unit length."""
        return unit(torch.stack([self.embeddings(images_NCHW).mean(dim=0) for images_NCHW in each])).detach()


def test_feduv_draws_photographs_to_a_codeword_that_never_changes(plan_of: PlanOf, tiny_faces: FaceDataset) -> None:
    done = OneRound(plan_of("feduv"), tiny_faces)
    assert sorted(set((done.rows_CD * 4).flatten().tolist())) == [-1.0, 1.0], "of −1/√16 and 1/√16"
    assert len({tuple(row) for row in done.rows_CD.tolist()}) == 7
    assert done.trained.class_embeddings == done.enrolled.class_embeddings
    assert done.enrolled.guidance is None
    codewords_CD = torch.sign(done.rows_CD)
    # max(0, 1 - v·σ(Wf) / c): W is the identity, c is 16, and σ brings f to the length 4.
    done.assert_is_a_step_on(lambda client, f_ND: torch.clamp(1 - 4 * f_ND @ codewords_CD[client] / 16, min=0).sum())


def test_fedfv_keeps_photographs_from_the_means_of_groups(plan_of: PlanOf, tiny_faces: FaceDataset) -> None:
    done = OneRound(plan_of({"name": "fedfv", "group_size": 3}), tiny_faces)
    equivalent_GD = done.guidance["equivalent_GD"].double()
    assert equivalent_GD.shape == (2, 16), "groups of four and of three clients"
    torch.testing.assert_close(done.rows_CD, done.means(done.clients), rtol=0, atol=1e-6)
    cosines_CG = done.rows_CD @ equivalent_GD.T

    def loss(client: int, f_ND: Tensor) -> Tensor:
        negative_D = equivalent_GD[int(cosines_CG[client].argmin())]
        rows_KD = torch.stack([done.rows_CD[client], negative_D])
        return torch.stack([cosface_by_hand(rows_KD @ f_D, 0, 10.0, 0.35) for f_D in f_ND]).sum()

    done.assert_is_a_step_on(loss)


def test_an_equivalent_is_the_mean_of_its_group_and_everybody_is_in_one(plan_of: PlanOf, tiny_faces: FaceDataset) -> None:
    done = OneRound(plan_of({"name": "fedfv", "group_size": 3}), tiny_faces)
    equivalent_GD = done.guidance["equivalent_GD"].double()
    first = [
        own
        for own in range(2**7)
        if own.bit_count() in (3, 4)
        and torch.allclose(
            unit(done.rows_CD[[own >> client & 1 == 1 for client in range(7)]].sum(dim=0)), equivalent_GD[0], atol=1e-6
        )
    ]
    assert len(first) == 1
    others_CD = done.rows_CD[[first[0] >> client & 1 == 0 for client in range(7)]]
    torch.testing.assert_close(unit(others_CD.sum(dim=0)), equivalent_GD[1], rtol=0, atol=1e-6)


def test_fedfr_trains_on_the_public_photographs_that_are_nearest(plan_of: PlanOf, tiny_faces: FaceDataset) -> None:
    shared = 20
    hard = 4
    strategy = {"name": "fedfr", "shared_photographs": shared, "hard_negatives": hard, "scale": 10.0, "margin": 0.2}
    done = OneRound(plan_of(strategy), tiny_faces)
    images_SCHW = done.guidance["shared_SCHW"]
    labels = done.guidance["shared_labels_S"].tolist()
    for image_CHW, label in zip(images_SCHW, labels, strict=True):
        assert any(torch.equal(image_CHW, own_CHW) for own_CHW in done.public[label])
    assert len(labels) == shared < 5 * 6
    public_KD = done.means(done.public)
    torch.testing.assert_close(done.guidance["public_KD"].double(), public_KD, rtol=0, atol=1e-6)

    def loss(client: int, f_ND: Tensor) -> Tensor:
        own_D = done.rows_CD[client]
        nearest = (done.embeddings(images_SCHW).detach() @ own_D).argsort(descending=True)[:hard].tolist()
        rows_KD = torch.cat([own_D.unsqueeze(0), public_KD])
        of_own = [cosface_by_hand(rows_KD @ f_D, 0, 10.0, 0.2) for f_D in f_ND]
        hard_HD = done.embeddings(images_SCHW[nearest])
        of_hard = [
            cosface_by_hand(rows_KD @ f_D, 1 + labels[image], 10.0, 0.2) for f_D, image in zip(hard_HD, nearest, strict=True)
        ]
        # Half of the loss each, with the weight of the client's own photographs.
        return (torch.stack(of_own).mean() + torch.stack(of_hard).mean()) / 2 * len(f_ND)

    done.assert_is_a_step_on(loss)
