"""The strategy public-negatives: one step of all clients and the aggregator is one gradient step on all their images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
from fedface_learning.strategies import public_steps
from fedface_learning.strategies.public_steps import take_public_steps
from support.server_rounds import server_round

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


def with_strategy(plan: Plan, **fields: int) -> Plan:
    return plan.model_copy(update={"strategy": plan.strategy.model_copy(update=fields), "rounds": 4})


def model_after(plan: Plan, faces: FaceDataset) -> bytes:
    return simulate(plan, dataset=faces, evaluate_at=lambda _number: False).model


def test_a_batch_of_all_public_photographs_is_no_batch(plan: Plan, tiny_faces: FaceDataset) -> None:
    expected = model_after(with_strategy(plan), tiny_faces)
    assert model_after(with_strategy(plan, public_batch=30), tiny_faces) == expected
    assert model_after(with_strategy(plan, public_batch=100), tiny_faces) == expected
    assert model_after(with_strategy(plan, public_batch=29), tiny_faces) != expected


class OneRound:
    """The aggregator's own steps in one round, and what its loss was asked for."""

    def __init__(self, plan: Plan, faces: FaceDataset, number: int, steps: int, batch: int) -> None:
        self.network = initial_network(plan.model, plan.seed)
        self.asked: list[tuple[int, Tensor]] = []
        before = replace(server_round(plan, self.network, torch.zeros(7, 16)), number=number, photographs=lambda: faces)
        self.images = take_public_steps(before, steps, self._loss, batch)

    def _loss(self, labels_N: Tensor, embeddings_ND: Tensor) -> Tensor:
        self.asked += zip(labels_N.tolist(), embeddings_ND.detach().unsqueeze(1), strict=True)
        return ((1 + labels_N) * embeddings_ND[:, 0]).mean()


def test_a_step_sees_a_drawn_batch_whose_loss_is_the_mean_over_its_photographs(
    plan: Plan, tiny_faces: FaceDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_steps, "EMBEDDED_AT_ONCE", 5)
    whole = OneRound(plan, tiny_faces, 3, steps=1, batch=12)
    assert whole.images == 12
    assert sum(len(embeddings_ND) for _, embeddings_ND in whole.asked) == 12
    start = initial_network(plan.model, plan.seed)
    public = [tiny_faces.images(identity) for identity in SimulationData.of(plan, tiny_faces).split.public]
    with torch.no_grad():
        known = [start(images_NCHW) for images_NCHW in public]
    seen = [
        (label, int((known[label] - embedding_D).norm(dim=1).argmin()))
        for label, embeddings_ND in whole.asked
        for embedding_D in embeddings_ND
    ]
    assert len(set(seen)) == 12, "no photograph twice, and each with the label of its person"
    loss = torch.stack([(1 + label) * start(public[label][image : image + 1])[0, 0] for label, image in seen]).mean()
    gradients = torch.autograd.grad(loss, list(start.parameters()))
    for before, after, gradient in zip(start.parameters(), whole.network.parameters(), gradients, strict=True):
        torch.testing.assert_close((before - after).detach() / RATE, gradient, rtol=1e-2, atol=2e-3)


def test_photographs_are_drawn_anew_in_each_round_and_again_only_once_all_were_seen(
    plan: Plan, tiny_faces: FaceDataset
) -> None:
    by_round = [
        [label for label, embeddings_ND in OneRound(plan, tiny_faces, number, 3, 10).asked for _ in embeddings_ND]
        for number in (1, 1, 2)
    ]
    assert by_round[0] == by_round[1] != by_round[2]
    assert sorted(by_round[0]) == sorted(list(range(5)) * 6)


def test_a_batch_weighs_as_many_images_as_it_has(plan: Plan, tiny_faces: FaceDataset) -> None:
    """Clients that do not train hold the average back: all the more, the fewer photographs the aggregator looks at."""
    still = plan.model_copy(update={"local_training": plan.local_training.model_copy(update={"steps": 0})})
    moved = []
    for batch in (30, 6):
        one_step = with_strategy(still, public_steps=1, public_batch=batch)
        *_, last = simulate(one_step, dataset=tiny_faces, evaluate_at=lambda _number: False).rounds
        moved.append(last.aggregation.update_norm or 0)
    assert 0 < moved[1] < moved[0]


def test_guidance_is_renewed_every_so_many_rounds(plan: Plan, tiny_faces: FaceDataset) -> None:
    rounds = simulate(with_strategy(plan, guidance_every=2), dataset=tiny_faces).rounds
    shas = [done.aggregation.guidance_sha256 for done in rounds]
    assert shas[0] == shas[1] != shas[2] == shas[3] != shas[4]
    renewed = simulate(with_strategy(plan), dataset=tiny_faces).rounds
    assert len({done.aggregation.guidance_sha256 for done in renewed}) == 5
    assert renewed[1].aggregation.model_sha256 == rounds[1].aggregation.model_sha256
    assert renewed[2].aggregation.model_sha256 != rounds[2].aggregation.model_sha256


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
