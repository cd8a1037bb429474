"""Adaptive spreadout, the trust region and the public anchor, each against its formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan, SpreadoutPlan
from fedface_core.learning.data import FaceDataset, split_identities
from fedface_core.learning.embedding import embed
from fedface_core.learning.models import EmbeddingNetwork, initial_network
from fedface_core.learning.simulation import SimulationResult, simulate
from fedface_core.learning.spreadout import spread
from fedface_core.learning.strategies import ServerRound, strategy_of
from fedface_core.learning.strategies.adaptive_spreadout import adapted_margin
from fedface_core.learning.strategies.trust_region import project
from fedface_core.learning.weights import load_network, network_tensors
from support.server_rounds import server_round


def close_rows(clients: int, size: int = 16) -> Tensor:
    draws = torch.Generator().manual_seed(3)
    return normalize(1.0 + torch.randn(clients, size, generator=draws), dim=1)


def step_from_the_nearest(rows_CD: Tensor, plan: SpreadoutPlan, nearest: int) -> Tensor:
    """One step, row by row: sort the others, keep the first ``nearest``."""
    stepped = []
    for own, row_D in enumerate(rows_CD):
        cosines = (rows_CD @ row_D).tolist()
        others = sorted((cosine, index) for index, cosine in enumerate(cosines) if index != own)[-nearest:]
        hinges = {index: cosine - plan.margin for cosine, index in others if cosine > plan.margin}
        rate = min(2 * plan.weight * plan.learning_rate, 0.9 / sum(hinges.values())) if hinges else 0.0
        push_D = sum((hinge * rows_CD[index] for index, hinge in hinges.items()), torch.zeros_like(row_D))
        stepped.append(normalize(row_D - rate * push_D, dim=0))
    return torch.stack(stepped)


@pytest.mark.parametrize(("clients", "nearest"), [(7, 1), (7, 3), (7, 6), (1100, 2)])  # 1100 rows are more than one block
def test_only_the_nearest_push(clients: int, nearest: int) -> None:
    plan = SpreadoutPlan(steps=1, margin=0.1)
    rows_CD = close_rows(clients)
    expected_CD = step_from_the_nearest(rows_CD.double(), plan, nearest).float()
    torch.testing.assert_close(spread(rows_CD, plan, nearest)[0], expected_CD)


def test_as_many_as_there_are_is_the_whole_spreadout_and_fewer_is_not() -> None:
    rows_CD, plan = close_rows(6), SpreadoutPlan()
    whole_CD, _ = spread(rows_CD, plan)
    for enough in (5, 6, 1000):
        assert torch.equal(spread(rows_CD, plan, enough)[0], whole_CD)
    assert not torch.equal(spread(rows_CD, plan, 4)[0], whole_CD)


def test_ties_do_not_depend_on_the_order_of_rows() -> None:
    """A row with three equally near others, of which one would be kept: all three push it, in whatever order."""
    rows_CD = normalize(torch.cat([torch.ones(1, 4), torch.eye(4)[:3]]), dim=1)
    plan = SpreadoutPlan(steps=1)
    spread_CD, _ = spread(rows_CD, plan, 1)
    torch.testing.assert_close(spread_CD[0, 0], spread_CD[0, 1])
    torch.testing.assert_close(spread_CD[0, 1], spread_CD[0, 2])
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(spread(rows_CD[order], plan, 1)[0], spread_CD[order])


def test_the_margin_is_the_mean_cosine_plus_an_offset_and_the_plans_at_most() -> None:
    rows_CD = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 0.0], [0.0, 1.0]])  # the third is not enrolled
    mean = (0.6 + 0.8 + 0.0) / 3
    assert adapted_margin(rows_CD, SpreadoutPlan(margin=0.9), 0.1) == pytest.approx(mean + 0.1)
    assert adapted_margin(rows_CD, SpreadoutPlan(margin=0.3), 0.1) == 0.3


def test_adaptive_spreadout_spreads_the_means_that_clients_sent(tiny_plan: Callable[..., Plan]) -> None:
    plan = tiny_plan(strategy={"name": "adaptive-spreadout", "nearest": 2, "offset": 0.05}, spreadout={"margin": 0.9})
    rows_CD, sent_D = close_rows(8), close_rows(9)[8]
    before = replace(
        server_round(plan, initial_network(plan.model, 0), rows_CD), uploaded={"client-000003": {"mean_embedding": sent_D}}
    )
    result = strategy_of(plan).finish(before)
    replaced_CD = rows_CD.clone()
    replaced_CD[3] = sent_D
    cosines = (replaced_CD.double() @ replaced_CD.double().T)[~torch.eye(8, dtype=torch.bool)]
    at_margin = SpreadoutPlan(margin=float(cosines.mean()) + 0.05)
    expected_CD, stats = spread(replaced_CD, at_margin, 2)
    torch.testing.assert_close(result.class_embeddings_CD, expected_CD)
    assert not torch.allclose(expected_CD, replaced_CD)
    assert result.stats.loss == pytest.approx(stats.loss)


def moved(network: EmbeddingNetwork, start: EmbeddingNetwork) -> tuple[Tensor, float]:
    """f − f_0 as one vector, and ‖f_0‖."""
    changes = [
        (after - before).detach().double().flatten()
        for after, before in zip(network.parameters(), start.parameters(), strict=True)
    ]
    initial = torch.cat([parameter.detach().double().flatten() for parameter in start.parameters()])
    return torch.cat(changes), float(initial.norm())


@pytest.mark.parametrize(("noise", "outside"), [(0.1, True), (1e-5, False)])
def test_what_is_outside_the_ball_is_scaled_back_onto_it(
    tiny_plan: Callable[..., Plan], noise: float, outside: bool
) -> None:
    plan = tiny_plan()
    start, network = (initial_network(plan.model, 0) for _ in range(2))
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draws), alpha=noise)
    before, length = moved(network, start)
    assert (float(before.norm()) > 0.01 * length) is outside
    project(network, network_tensors(start), 0.01)
    after, _ = moved(network, start)
    expected = before * (0.01 * length / before.norm()) if outside else before
    torch.testing.assert_close(after, expected, rtol=1e-3, atol=1e-7)


def model_of(plan: Plan, result: SimulationResult) -> EmbeddingNetwork:
    return load_network(plan.model, result.model, "the last model")


def test_a_run_stays_within_its_radius_of_where_it_began(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    """Of the initial network, not of the round's: the third round has used up what the first had."""
    local = {"steps": 2, "learning_rate": 0.05}
    distances = {}
    for radius in (0.002, 1.0):
        plan = tiny_plan(strategy={"name": "trust-region", "radius": radius}, local_training=local, rounds=3)
        result = simulate(plan, dataset=tiny_faces)
        change, length = moved(model_of(plan, result), initial_network(plan.model, plan.seed))
        distances[radius] = float(change.norm()) / length
    assert distances[0.002] == pytest.approx(0.002, rel=1e-3)
    assert 0.004 < distances[1.0] < 1
    free = tiny_plan(local_training=local, rounds=3)
    assert simulate(plan, dataset=tiny_faces).model == simulate(free, dataset=tiny_faces).model, "inside, it is FedFace"


def anchor_round(plan: Plan, network: EmbeddingNetwork, faces: FaceDataset, anchors_KD: Tensor) -> ServerRound:
    return replace(server_round(plan, network, close_rows(8)), state={"anchors_KD": anchors_KD}, photographs=lambda: faces)


def test_the_anchors_are_the_initial_networks_means(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plan = tiny_plan(strategy="public-anchor", split={"public": 5, "clients": 8, "test": 8})
    network = initial_network(plan.model, 0)
    enrolment = replace(server_round(plan, network), class_embeddings_CD=close_rows(8), photographs=lambda: tiny_faces)
    kept = strategy_of(plan).finish(enrolment).state
    public = split_identities(tiny_faces.identities, plan.split).public
    expected_KD = torch.stack([normalize(embed(network, tiny_faces.images(each)).mean(dim=0), dim=0) for each in public])
    torch.testing.assert_close(kept["anchors_KD"], expected_KD)
    later = anchor_round(plan, initial_network(plan.model, 1), tiny_faces, kept["anchors_KD"])
    assert torch.equal(strategy_of(plan).finish(later).state["anchors_KD"], kept["anchors_KD"]), "and stay so"


def test_one_step_draws_public_photographs_to_their_anchors(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    local = {"steps": 3, "learning_rate": 0.05}
    strategy = {"name": "public-anchor", "public_steps": 1}
    plan = tiny_plan(strategy=strategy, local_training=local, split={"public": 5, "clients": 8, "test": 8})
    public = split_identities(tiny_faces.identities, plan.split).public
    anchors_KD, by_hand, network = close_rows(5), *(initial_network(plan.model, 0) for _ in range(2))
    cosines = [by_hand(tiny_faces.images(each)) @ anchor_D for each, anchor_D in zip(public, anchors_KD, strict=True)]
    gradients = torch.autograd.grad((1 - torch.cat(cosines)).mean(), list(by_hand.parameters()))
    assert strategy_of(plan).take_part(anchor_round(plan, network, tiny_faces, anchors_KD)) == 30
    for found, start, gradient in zip(network.parameters(), by_hand.parameters(), gradients, strict=True):
        torch.testing.assert_close(found, start - 0.05 * gradient, rtol=1e-4, atol=1e-6)


def test_the_anchor_holds_public_embeddings(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    split = {"public": 5, "clients": 8, "test": 8}
    agreement = {}
    for steps in (0, 4):
        strategy = {"name": "public-anchor", "public_steps": steps}
        local = {"steps": 4, "learning_rate": 0.1}
        plan = tiny_plan(strategy=strategy, local_training=local, split=split, rounds=2)
        result = simulate(plan, dataset=tiny_faces)
        network, start = model_of(plan, result), initial_network(plan.model, plan.seed)
        images_NCHW = torch.cat([tiny_faces.images(e) for e in split_identities(tiny_faces.identities, plan.split).public])
        agreement[steps] = float((embed(network, images_NCHW) * embed(start, images_NCHW)).sum(dim=1).mean())
    assert agreement[0] < agreement[4]
    fedface = tiny_plan(local_training=local, split=split, rounds=2)
    idle = tiny_plan(strategy={"name": "public-anchor", "public_steps": 0}, local_training=local, split=split, rounds=2)
    assert simulate(idle, dataset=tiny_faces).model == simulate(fedface, dataset=tiny_faces).model


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"strategy": {"name": "adaptive-spreadout", "nearest": 0}}, "greater than 0"),
        ({"strategy": {"name": "adaptive-spreadout", "offset": -0.1}}, "greater than or equal to 0"),
        ({"strategy": {"name": "trust-region", "radius": 0}}, "greater than 0"),
        ({"strategy": "public-anchor"}, "split.public is 0; the strategy 'public-anchor' needs 1 at least"),
        (
            {
                "strategy": "public-anchor",
                "split": {"public": 1, "clients": 8, "test": 8},
                "cohort": {"size": 6, "quorum": 3},
                "aggregation": {"mode": "asynchronous"},
            },
            "aggregation.mode: the strategy 'public-anchor' is synchronous",
        ),
    ],
)
def test_plans_that_they_cannot_follow(tiny_plan: Callable[..., Plan], changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        tiny_plan(**changes)
