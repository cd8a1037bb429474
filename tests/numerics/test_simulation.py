"""Whole runs of FedFace in one process."""

from __future__ import annotations

from collections.abc import Callable

import torch

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import training_update
from fedface_learning.data import FaceDataset, split_identities
from fedface_learning.evaluation.verification import evaluate
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network, load_network
from fedface_learning.simulation.simulate import SimulatedRound, simulate


def test_the_same_plan_gives_the_same_model(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    first, second = (simulate(tiny_plan(), dataset=tiny_faces) for _ in range(2))
    assert first.model_sha256 == second.model_sha256
    assert first.rounds == second.rounds
    assert simulate(tiny_plan(seed=1), dataset=tiny_faces).model_sha256 != first.model_sha256


def test_each_round_reports_what_it_came_to(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    told: list[SimulatedRound] = []
    result = simulate(tiny_plan(), told.append, dataset=tiny_faces)
    assert tuple(told) == result.rounds
    assert [finished.number for finished in told] == [0, 1, 2]
    assert [finished.aggregation.folded for finished in told] == [8, 6, 6]  # all enrol; the cohort has 6
    assert [finished.aggregation.images for finished in told] == [48, 36, 36]
    assert told[-1].aggregation.model_sha256 == result.model_sha256 == sha256_hex(result.model)
    for finished in told[1:]:
        assert finished.aggregation.loss_after is not None
        assert finished.aggregation.loss_before is not None
        assert finished.aggregation.loss_after < finished.aggregation.loss_before
        assert finished.verification is not None
        assert finished.verification.scores.genuine_pairs == 8 * 15


def test_its_last_scores_are_those_of_its_model(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plan = tiny_plan(model={"centring": True})
    result = simulate(plan, dataset=tiny_faces)
    network = load_network(plan.model, result.model, "the result")
    test = split_identities(tiny_faces.identities, plan.split).test
    assert evaluate(network, tiny_faces, test, plan.far) == result.rounds[-1].verification


def test_only_the_rounds_asked_for_are_evaluated(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    every, some = (
        simulate(tiny_plan(rounds=3), dataset=tiny_faces, evaluate_at=asked)
        for asked in (lambda number: True, lambda number: number != 1)
    )
    assert some.model_sha256 == every.model_sha256
    assert [finished.verification is None for finished in some.rounds] == [False, True, False, False]
    assert [finished.verification for finished in some.rounds if finished.number != 1] == [
        finished.verification for finished in every.rounds if finished.number != 1
    ]


def test_the_initial_network_is_the_rounds_model_when_a_round_ends(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset
) -> None:
    network = initial_network(tiny_plan().model, 0)
    models = []
    result = simulate(
        tiny_plan(), lambda _: models.append(sha256_hex(encode_network(network))), initial=network, dataset=tiny_faces
    )
    assert models == [finished.aggregation.model_sha256 for finished in result.rounds]


def test_a_client_holds_no_more_images_than_planned(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plan = tiny_plan(data={"images_per_client": 2})
    result = simulate(plan, dataset=tiny_faces)
    assert [finished.aggregation.images for finished in result.rounds] == [16, 12, 12]
    assert result.rounds[0].verification == simulate(tiny_plan(rounds=1), dataset=tiny_faces).rounds[0].verification


def test_a_round_is_the_weighted_mean_of_its_clients_models(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    """The round is computed again from the clients' models, without the aggregator's code."""
    plan = tiny_plan(rounds=1, cohort={}, spreadout={"steps": 0}, split={"clients": 3, "test": 2})
    clients = split_identities(tiny_faces.identities, plan.split).clients
    start = initial_network(plan.model, plan.seed)
    summed: dict[str, torch.Tensor] = {}
    for index, identity in enumerate(clients):
        images_NCHW = tiny_faces.images(identity)
        with torch.no_grad():
            mean_D = start.eval()(images_NCHW).mean(dim=0)
        network = initial_network(plan.model, plan.seed)
        trainee = Trainee(client_id(index), images_NCHW, mean_D / mean_D.norm())
        training_update(LocalTrainer(network), trainee, TrainingRound(plan, 1))
        for name, parameter in network.named_parameters():
            summed[name] = summed.get(name, torch.zeros(())) + parameter.detach() / 3
    result = load_network(plan.model, simulate(plan, dataset=tiny_faces).model, "the result")
    for name, parameter in result.named_parameters():
        torch.testing.assert_close(parameter.detach(), summed[name], rtol=1e-4, atol=1e-6)


def test_without_spreadout_faces_draw_together(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    def impostors(spreadout_steps: int) -> float:
        plan = tiny_plan(
            rounds=4, cohort={}, local_training={"steps": 3, "learning_rate": 0.1}, spreadout={"steps": spreadout_steps}
        )
        verification = simulate(plan, dataset=tiny_faces).rounds[-1].verification
        assert verification is not None
        return verification.scores.mean_impostor_cosine

    assert impostors(10) < impostors(0) - 0.1


def test_an_initial_network_stands_in_for_a_stored_model(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    stored = tiny_plan(model={"weights": "ab" * 32})
    result = simulate(stored, initial=initial_network(tiny_plan().model, 0), dataset=tiny_faces)
    assert result.model_sha256 == simulate(tiny_plan(), dataset=tiny_faces).model_sha256
