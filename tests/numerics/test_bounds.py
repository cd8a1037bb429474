"""The bounds of the federated strategies: training on pooled photographs, and clients that train alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import IN_PROCESS, StrategyPlan
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import training_update
from fedface_learning.data import FaceDataset, split_identities
from fedface_learning.evaluation.verification import evaluate, mean_verification
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network, load_network
from fedface_learning.pretraining import PretrainPlan, pretrain
from fedface_learning.simulation.as_fedavg import as_fedavg
from fedface_learning.simulation.federated_rounds import Federation
from fedface_learning.simulation.simulate import BOUNDS, simulate
from fedface_learning.simulation.simulation_data import SimulationData
from fedface_learning.strategies import STRATEGIES

POOLED = {"name": "centralised", "epochs": 12, "batch_size": 16, "learning_rate": 0.05, "scale": 10.0, "margin": 0.1}
SPLIT = {"public": 8, "clients": 8, "test": 8}


@pytest.fixture
def pooled(tiny_plan: Callable[..., Plan]) -> Callable[..., Plan]:
    return lambda **changes: tiny_plan(**{"strategy": POOLED, "split": SPLIT, "rounds": 3} | changes)


@pytest.mark.parametrize("with_public", [True, False])
def test_pooled_training_is_pre_training_on_clients_and_on_public_identities_if_wanted(
    pooled: Callable[..., Plan], tiny_faces: FaceDataset, with_public: bool
) -> None:
    plan = pooled(strategy=POOLED | {"with_public": with_public})
    split = split_identities(tiny_faces.identities, plan.split)
    network = initial_network(plan.model, plan.seed)
    how = PretrainPlan.model_validate({name: value for name, value in POOLED.items() if name != "name"})
    pretrain(network, tiny_faces, [*split.clients, *(split.public if with_public else ())], how)
    result = simulate(plan, dataset=tiny_faces)
    assert result.model == encode_network(network)
    assert result.rounds[-1].verification == evaluate(network, tiny_faces, split.test, plan.far)


def test_pooled_training_beats_the_federated_and_its_rounds_are_its_checkpoints(
    pooled: Callable[..., Plan], tiny_faces: FaceDataset
) -> None:
    rounds = simulate(pooled(), dataset=tiny_faces).rounds
    federated = simulate(pooled(strategy="fedface"), dataset=tiny_faces).rounds
    assert [done.number for done in rounds] == [0, 1, 2, 3]
    assert rounds[0].verification == federated[0].verification
    bound = rounds[-1].verification
    reached = federated[-1].verification
    assert bound is not None
    assert reached is not None
    assert bound.scores.auc > reached.scores.auc + 0.02
    assert len({done.aggregation.model_sha256 for done in rounds}) == 4
    losses = [(done.aggregation.loss_before, done.aggregation.loss_after) for done in rounds[1:]]
    assert losses[0][0] is None
    assert [before for before, _ in losses[1:]] == [after for _, after in losses[:-1]]
    assert (losses[-1][1] or 9) < (losses[0][1] or 0)
    assert [done.aggregation.images for done in rounds] == [48, 96, 96, 96]
    assert all((done.aggregation.update_norm or 0) > 0 for done in rounds[1:])


def test_without_clients_it_is_pre_training_on_public_identities_for_as_many_steps_as_all_would_take(
    pooled: Callable[..., Plan], tiny_faces: FaceDataset
) -> None:
    plan = pooled(strategy=POOLED | {"name": "public-only", "epochs": 4, "augmentation": "strong"})
    split = split_identities(tiny_faces.identities, plan.split)
    network = initial_network(plan.model, plan.seed)
    # Half as many photographs, so twice as many epochs.
    fields = POOLED | {"epochs": 2 * 4, "augmentation": "strong"}
    how = PretrainPlan.model_validate({name: value for name, value in fields.items() if name != "name"})
    pretrain(network, tiny_faces, split.public, how)
    result = simulate(plan, dataset=tiny_faces)
    assert result.model == encode_network(network)
    assert result.rounds[-1].verification == evaluate(network, tiny_faces, split.test, plan.far)
    rows = {done.aggregation.class_embeddings_sha256 for done in result.rounds}
    assert len(rows) == 1, "no client's row is learnt"
    assert [(done.aggregation.folded, done.aggregation.images) for done in result.rounds] == [(8, 48), *[(0, 48)] * 3]


def test_a_bound_has_no_image_that_clients_may_not_use(pooled: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    data = {"images_per_client": 2}
    everything = simulate(pooled(rounds=1), dataset=tiny_faces).rounds[-1].aggregation
    assert everything.images == 16 * 6
    limited = simulate(pooled(data=data, rounds=1), dataset=tiny_faces).rounds[-1].aggregation
    assert limited.images == 8 * 2 + 8 * 6
    assert limited.model_sha256 != everything.model_sha256
    # Of 64 images there are four batches in an epoch, of the 48 public ones three.
    fields = {name: value for name, value in POOLED.items() if name != "name"} | {"epochs": 4}
    plan = pooled(data=data, strategy=POOLED | {"name": "public-only", "epochs": 3}, rounds=1)
    network = initial_network(plan.model, plan.seed)
    pretrain(
        network, tiny_faces, split_identities(tiny_faces.identities, plan.split).public, PretrainPlan.model_validate(fields)
    )
    assert simulate(plan, dataset=tiny_faces).model == encode_network(network)
    alone = simulate(pooled(data=data, strategy={"name": "local-only", "scored_clients": 3}, rounds=1), dataset=tiny_faces)
    assert [done.aggregation.images for done in alone.rounds] == [8 * 2, 3 * 2]


def test_the_augmentation_of_a_bound_is_in_its_training(pooled: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    models = {
        simulate(pooled(strategy=POOLED | {"epochs": 1} | more, rounds=1), dataset=tiny_faces).model_sha256
        for more in ({}, {"augmentation": "strong"}, {"augmentation": {"name": "strong", "blur": 1}})
    }
    assert len(models) == 3


def test_more_rounds_score_the_same_training_more_often(pooled: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    once, often = (simulate(pooled(rounds=rounds), dataset=tiny_faces) for rounds in (1, 7))
    assert once.model_sha256 == often.model_sha256
    assert len(often.rounds) == 8


def test_one_person_cannot_be_pooled(pooled: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    with pytest.raises(InvalidInputError, match="at least 2"):
        simulate(pooled(split={"clients": 1, "test": 2}, cohort={}), dataset=tiny_faces)


def test_alone_each_client_goes_on_from_its_own_model(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plan = tiny_plan(strategy={"name": "local-only", "scored_clients": 2}, cohort={})
    split = split_identities(tiny_faces.identities, plan.split)
    images = {f"client-{index:06d}": tiny_faces.images(identity) for index, identity in enumerate(split.clients)}
    network = initial_network(plan.model, plan.seed)
    fedavg = tiny_plan(strategy="fedavg", cohort={})
    enrolled = Federation(fedavg, network, SimulationData.of(fedavg, tiny_faces)).enrol()
    class_embeddings_CD = decode_class_embeddings(enrolled.class_embeddings, 16)
    result = simulate(plan, dataset=tiny_faces)
    own = []
    for index, client in enumerate(("client-000000", "client-000001")):
        network = initial_network(plan.model, plan.seed)
        for number in (1, 2):
            trainee = Trainee(client, images[client], class_embeddings_CD[index])
            training_update(LocalTrainer(network), trainee, TrainingRound(fedavg, number))
        own.append(evaluate(network, tiny_faces, split.test, plan.far))
        stored = {
            name.removeprefix(f"{client}/"): tensor
            for name, tensor in decode_tensors(result.model)[0].items()
            if name.startswith(client)
        }
        for name, tensor in network.state_dict().items():
            assert torch.equal(stored[name], tensor)
    assert result.rounds[-1].verification == mean_verification(own)
    assert own[0].scores.auc != own[1].scores.auc
    assert result.rounds[-1].verification.scores.auc == pytest.approx((own[0].scores.auc + own[1].scores.auc) / 2)
    assert [done.aggregation.folded for done in result.rounds] == [8, 2, 2]
    assert (result.rounds[-1].aggregation.loss_after or 9) < (result.rounds[-1].aggregation.loss_before or 0)


def test_the_mean_of_one_models_verification_is_its_own(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plan = tiny_plan()
    network = load_network(plan.model, encode_network(initial_network(plan.model, 0)), "it")
    alone = evaluate(network, tiny_faces, tiny_faces.identities[:8], [0.1, 1e-9])
    mean = mean_verification([alone, alone])
    assert mean.scores == alone.scores
    assert mean.scores.tar["1e-9"] is None
    assert mean.roc.tar == pytest.approx(alone.roc.tar)


def test_a_plan_names_a_strategy_or_a_bound_and_services_refuse_just_the_bounds() -> None:
    (union, *_) = get_args(StrategyPlan)
    names = {name for kind in get_args(union) for name in get_args(kind.model_fields["name"].annotation)}
    assert names == STRATEGIES.keys() ^ BOUNDS.keys()
    assert BOUNDS.keys() == IN_PROCESS


@pytest.mark.parametrize("initialisation", ["mean-feature", "random"])
@pytest.mark.parametrize("strategy", [POOLED, POOLED | {"name": "public-only"}, {"name": "local-only", "scored_clients": 2}])
def test_a_bound_enrols_by_its_own_plan_but_for_the_strategy(
    tiny_plan: Callable[..., Plan], strategy: dict[str, Any], initialisation: str
) -> None:
    changes = {"initialisation": initialisation, "far": [0.3], "seed": 7, "model": {"centring": True}, "split": SPLIT}
    plan = tiny_plan(strategy=strategy, cohort={}, **changes)
    assert as_fedavg(plan) == tiny_plan(strategy="fedavg", cohort={}, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "public-only", "split": {"public": 1, "clients": 8, "test": 8}}, "'public-only' needs 2 at least"),
        (
            {"strategy": "centralised", "aggregation": {"optimiser": "adam"}},
            "aggregation: the strategy 'centralised' has none",
        ),
        ({"strategy": "local-only", "spreadout": {"weight": 1.0}}, "spreadout: the strategy 'local-only' has none"),
    ],
)
def test_a_bound_has_no_parts_of_a_federated_run(
    tiny_plan: Callable[..., Plan], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_plan(**changes)
