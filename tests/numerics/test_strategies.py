"""What the strategies do differently, each against its formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.ids import client_id, client_index
from fedface_core.domain.plan import Plan
from fedface_learning.aggregation import TrainingPartial
from fedface_learning.aggregation.reduce import reduce_partials
from fedface_learning.client.enrolment import random_class_embeddings
from fedface_learning.client.local_training import LocalResult, Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import training_update
from fedface_learning.data import FaceDataset
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.weights import load_tensors, network_tensors
from fedface_learning.objectives.losses import positive_squared_hinge
from fedface_learning.simulation.simulate import simulate
from fedface_learning.updates.form import in_one_block
from support.server_rounds import server_round, starting_point, stored_again

TARGET_D = normalize(torch.arange(16.0), dim=0)


def trained(plan: Plan, images_NCHW: Tensor, number: int = 1) -> EmbeddingNetwork:
    network = initial_network(plan.model, 0)
    result_of(network, plan, images_NCHW, number)
    return network


def result_of(network: EmbeddingNetwork, plan: Plan, images_NCHW: Tensor, number: int = 1) -> LocalResult:
    return LocalTrainer(network).train(Trainee(client_id(0), images_NCHW, TARGET_D), TrainingRound(plan, number))


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
    assert (plain.rounds[-1].aggregation.max_off_diagonal_cosine or 0) > 0.3


def test_spreadout_may_begin_with_round_1(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    late = simulate(tiny_plan(spreadout={"at_enrolment": False}), dataset=tiny_faces).rounds
    never = simulate(tiny_plan(spreadout={"steps": 0}), dataset=tiny_faces).rounds
    assert late[0].aggregation.class_embeddings_sha256 == never[0].aggregation.class_embeddings_sha256
    assert late[1].aggregation.model_sha256 == never[1].aggregation.model_sha256
    largest = [done.aggregation.max_off_diagonal_cosine or 1.0 for done in late]
    assert largest[1] < 0.5 < largest[0]


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


def test_fedaws_learns_a_class_embedding_with_the_network(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    """One step by hand: along the negative gradient of the loss at the class embedding's rate, then normalised."""
    plan = tiny_plan(strategy={"name": "fedaws", "class_learning_rate": 0.3}, local_training={"steps": 1})
    images_NCHW = tiny_faces.images("person-3")
    own_D = TARGET_D.clone().requires_grad_()
    loss = positive_squared_hinge(initial_network(plan.model, 0)(images_NCHW), own_D, 0.9)
    (gradient_D,) = torch.autograd.grad(loss, own_D)
    network = initial_network(plan.model, 0)
    result = result_of(network, plan, images_NCHW)
    torch.testing.assert_close(result.uploads["class_embedding"], normalize(TARGET_D - 0.3 * gradient_D, dim=0))
    for found, expected in zip(
        network.parameters(), trained(tiny_plan(local_training={"steps": 1}), images_NCHW).parameters(), strict=True
    ):
        assert torch.equal(found, expected), "the network's own step is FedFace's"


def test_fedaws_learns_a_class_embedding_at_the_rounds_own_rate(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset
) -> None:
    images_NCHW = tiny_faces.images("person-3")

    def learnt(number: int, rate: float, **local: Any) -> Tensor:
        strategy = {"name": "fedaws", "class_learning_rate": rate}
        plan = tiny_plan(strategy=strategy, local_training={"steps": 2, "learning_rate": 0.04} | local, rounds=3)
        return result_of(initial_network(plan.model, 0), plan, images_NCHW, number).uploads["class_embedding"]

    last_D = learnt(3, 0.3, schedule="linear", final_learning_rate=0.5)
    torch.testing.assert_close(last_D, learnt(1, 0.15, learning_rate=0.02))
    assert not torch.allclose(last_D, learnt(1, 0.3, learning_rate=0.02))


def test_fedaws_replaces_the_rows_of_who_took_part(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plan = tiny_plan(strategy="fedaws", spreadout={"steps": 0}, cohort={"size": 3, "shard_size": 2}, rounds=1)
    rows: list[Tensor] = []

    network = initial_network(plan.model, 0)
    start_CD = random_class_embeddings(8, 16, plan.seed)
    partials = []
    for client in ("client-000005", "client-000002"):
        load_tensors(network, network_tensors(initial_network(plan.model, 0)), "the global model")
        images_NCHW = tiny_faces.images("person-3")
        trainee = Trainee(client, images_NCHW, start_CD[client_index(client)])
        update = training_update(LocalTrainer(network), trainee, TrainingRound(plan, 1))
        rows.append(decode_tensors(update.data)[0]["class_embedding"])
        partial = TrainingPartial()
        start = starting_point(plan, network_tensors(initial_network(plan.model, 0)))
        partial.fold(client, update.accepted, in_one_block(update.data), start)
        partials.append(stored_again(partial))
    before = server_round(plan, initial_network(plan.model, 0), start_CD)
    reduced = reduce_partials(partials, before)
    assert torch.equal(start_CD, random_class_embeddings(8, 16, plan.seed)), "the round's own W is as it was"
    found_CD = decode_class_embeddings(reduced.class_embeddings, 16)
    expected_CD = start_CD.clone()
    expected_CD[5], expected_CD[2] = rows
    torch.testing.assert_close(found_CD, expected_CD)
    assert not torch.equal(rows[0], start_CD[5])
    untouched = [0, 1, 3, 4, 6, 7]
    assert torch.equal(found_CD[untouched], start_CD[untouched])


def test_fedaws_spreads_what_it_has_learnt(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    rounds = simulate(
        tiny_plan(strategy="fedaws", local_training={"steps": 4, "learning_rate": 0.1}), dataset=tiny_faces
    ).rounds
    assert len({done.aggregation.class_embeddings_sha256 for done in rounds}) == 3
    assert all((done.aggregation.max_off_diagonal_cosine or 1) < 0.5 for done in rounds)
    assert (rounds[-1].aggregation.loss_after or 1) < (rounds[-1].aggregation.loss_before or 0)
