"""Vectorised training against one client at a time: equal numbers but for rounding, for every option of a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_learning.client import vectorised_training
from fedface_learning.client.local_training import LocalResult, Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import TrainingFailure, Update, training_updates
from fedface_learning.client.vectorised_training import VectorisedNetworks
from fedface_learning.data import FaceDataset
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.weights import network_tensors
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER, ClassSums
from fedface_learning.simulation.simulate import simulate
from fedface_learning.strategies import NOTHING, Tensors
from fedface_learning.strategies import STRATEGIES as STRATEGIES_IN_USE
from fedface_learning.strategies.fedfr import SHARED_EMBEDDINGS, SHARED_IMAGES, SHARED_LABELS
from fedface_learning.strategies.fedfv import EQUIVALENT
from fedface_learning.strategies.public_negatives import PUBLIC
from fedface_learning.updates.encoding import decode_residual, update_encoding_of
from fedface_learning.updates.norm import update_norm

MOBILEFACENET = {"architecture": "mobilefacenet", "height": 32, "width": 32, "channels": 1, "widths": (8, 8, 8)}
NETWORKS: dict[str, dict[str, Any]] = {
    "spherenet": {},
    "residual": {"architecture": "spherenet-10"},
    "mobilefacenet": MOBILEFACENET,
    "centring": {"centring": True},
}
# The networks that people have weights for, in each of their forms.
PUBLISHED = {
    "iresnet-18": (8, 8, 8, 16),
    "ir-50": (8, 8, 8, 8),
    "ir-se-50": (16, 16, 16, 16),
    "adaface-ir-18": (8, 8, 8, 16),
}
STRATEGIES: list[Any] = [
    "fedface",
    "fedavg",
    {"name": "fedprox", "proximal": 0.5},
    {"name": "fedaws", "class_learning_rate": 0.1},
    "public-negatives",
    "gaussian-negatives",
    "feduv",
    "fedfv",
    {"name": "gaussian-negatives", "contrast": "public"},
    {"name": "gaussian-negatives", "contrast": "clients", "anchor": 5.0},
    {"name": "fedfr", "hard_negatives": 3, "scale": 10.0},
]
# A few images through BatchNorm are chaotic at a high rate: differences of rounding then grow tenfold in each step.
RATES = {"mobilefacenet": 0.0001}
STEPS: list[dict[str, Any]] = [{}, {"steps": 0}, {"batch_size": 4}, {"flip": True, "shift": 2}, {"batch_size": 1}]
STEPS += [{"losses": "seen"}, {"losses": "seen", "steps": 0}, {"losses": "seen", "flip": True, "shift": 2}]
PlanOf = Callable[..., Plan]


def updates(plan: Plan, counts: list[int], faces: FaceDataset, residuals: Tensors = NOTHING) -> dict[str, Update]:
    """The updates of clients with so many images each, by client."""
    trainer = LocalTrainer(initial_network(plan.model, 0))
    clients = [f"client-{index:06d}" for index in range(len(counts))]
    draws = torch.Generator().manual_seed(3)
    rows_CD = normalize(torch.randn(len(counts), plan.model.embedding_size, generator=draws), dim=1)
    guidance = {PUBLIC: normalize(torch.randn(5, plan.model.embedding_size, generator=draws), dim=1)}
    sums = ClassSums.empty(plan.model.embedding_size)
    for row_D in rows_CD:
        sums = sums + ClassSums.part_of(row_D)
    guidance |= sums.tensors()
    guidance[EQUIVALENT] = normalize(torch.randn(4, plan.model.embedding_size, generator=draws), dim=1)
    guidance[SHARED_IMAGES] = torch.cat([faces.images(f"person-{index}")[:2] for index in range(5)])
    guidance[SHARED_LABELS] = torch.arange(10) // 2
    guidance[SHARED_EMBEDDINGS] = normalize(torch.randn(10, plan.model.embedding_size, generator=draws), dim=1)
    trainees = [
        Trainee(client, faces.images(f"person-{index}")[: counts[index]], rows_CD[index], residuals.get(client), index)
        for index, client in enumerate(clients)
    ]
    training = TrainingRound(plan, 1, guidance, started_from="0" * 64, anchor=anchor_of(plan))
    return {client: update for client, update in training_updates(trainer, trainees, training) if isinstance(update, Update)}


def anchor_of(plan: Plan) -> EmbeddingNetwork | None:
    """Another network than the clients start from, so that it pulls from the first step on; None if the plan has none."""
    return initial_network(plan.model, 1) if plan.anchor else None


def alone_and_vectorised(
    tiny_plan: PlanOf, faces: FaceDataset, counts: list[int], local: dict[str, Any], **plan: Any
) -> tuple[dict[str, Update], dict[str, Update]]:
    one, several = (
        updates(
            tiny_plan(local_training={"steps": 3, "learning_rate": 0.05, "vectorised_clients": together} | local, **plan),
            counts,
            faces,
        )
        for together in (1, 3)
    )
    return one, several


def assert_equal_within_rounding(one: dict[str, Update], several: dict[str, Update]) -> None:
    """Everything that is uploaded is equal to 1e-5."""
    assert list(one) == list(several)
    for expected, found in zip(one.values(), several.values(), strict=True):
        tensors, metadata = decode_tensors(expected.data)
        others, other_metadata = decode_tensors(found.data)
        assert metadata["images"] == other_metadata["images"]
        assert expected.accepted.started_from == found.accepted.started_from == "0" * 64
        for loss in ("loss_before", "loss_after"):
            assert other_metadata[loss] == pytest.approx(metadata[loss], rel=1e-4, abs=1e-5)
        assert tensors.keys() == others.keys()
        for name, tensor in tensors.items():
            # Rounding may move a number of a class embedding to the next multiple of 2^-15.
            torch.testing.assert_close(others[name], tensor, rtol=1e-5, atol=4e-5 if name == BEFORE_AND_AFTER else 1e-5)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("local", STEPS, ids=str)
def test_several_at_once_are_one_at_a_time(
    tiny_plan: PlanOf, tiny_faces: FaceDataset, network: str, local: dict[str, Any]
) -> None:
    local = {"learning_rate": RATES.get(network, 0.05)} | local
    one, several = alone_and_vectorised(tiny_plan, tiny_faces, [6, 6, 6, 6], local, model=NETWORKS[network])
    assert_equal_within_rounding(one, several)


@pytest.mark.parametrize(
    "architecture", [pytest.param(name, marks=pytest.mark.long if name.startswith("ir-") else []) for name in PUBLISHED]
)
def test_networks_that_people_have_weights_for_train_several_at_once(
    tiny_plan: PlanOf, tiny_faces: FaceDataset, architecture: str
) -> None:
    model = {"architecture": architecture, "widths": PUBLISHED[architecture]}
    local = {"learning_rate": 0.0001, "steps": 2}
    one, several = alone_and_vectorised(tiny_plan, tiny_faces, [6, 6, 6, 2], local, model=model)
    assert_equal_within_rounding(one, several)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda each: each if isinstance(each, str) else each["name"])
def test_every_strategy_of_the_services_can_be_vectorised(tiny_plan: PlanOf, tiny_faces: FaceDataset, strategy: Any) -> None:
    split = {"public": 4, "clients": 8, "test": 8}
    one, several = alone_and_vectorised(tiny_plan, tiny_faces, [6, 6, 6, 6], {}, strategy=strategy, split=split)
    assert_equal_within_rounding(one, several)


@pytest.mark.parametrize(
    "local", [{}, {"steps": 0}, {"losses": "seen", "flip": True, "shift": 2}, {"batch_size": 4}], ids=str
)
@pytest.mark.parametrize("images_per_client", [None, 6])
def test_an_anchor_holds_several_as_it_holds_one(
    tiny_plan: PlanOf, tiny_faces: FaceDataset, images_per_client: int | None, local: dict[str, Any]
) -> None:
    """And it does hold them: without it the updates are others."""
    split = {"public": 4, "clients": 8, "test": 8}
    changes: dict[str, Any] = {"data": {"images_per_client": images_per_client}, "split": split}
    anchored, without = (
        alone_and_vectorised(
            tiny_plan,
            tiny_faces,
            [6, 4, 6, 1],
            local,
            strategy={"name": "gaussian-negatives", "contrast": "clients", "anchor": anchor},
            **changes,
        )
        for anchor in (5.0, 0.0)
    )
    assert_equal_within_rounding(*anchored)
    if local.get("steps") != 0:
        assert all(anchored[0][client].data != update.data for client, update in without[0].items())


@pytest.mark.parametrize("network", ["spherenet", "mobilefacenet"])
def test_clients_may_have_different_numbers_of_images(tiny_plan: PlanOf, tiny_faces: FaceDataset, network: str) -> None:
    counts = [6, 1, 3, 6, 1, 6, 6, 3]
    local = {"learning_rate": RATES.get(network, 0.05)}
    one, several = alone_and_vectorised(tiny_plan, tiny_faces, counts, local, model=NETWORKS[network])
    assert_equal_within_rounding(one, several)
    assert [update.accepted.images for update in several.values()] == counts


@pytest.mark.parametrize("network", ["spherenet", "mobilefacenet"])
@pytest.mark.parametrize("at_once", [3, 4])
@pytest.mark.parametrize("bound", [None, 6])
def test_a_clients_bits_do_not_depend_on_who_trains_beside_it(
    tiny_plan: PlanOf, tiny_faces: FaceDataset, network: str, bound: int | None, at_once: int
) -> None:
    """Each client's bytes are those that it has alone, in whatever company and place it trains."""
    local = {"steps": 2, "learning_rate": 0.01, "vectorised_clients": at_once, "batch_size": 4, "shift": 1}
    plan = tiny_plan(local_training=local, model=NETWORKS[network], data={"images_per_client": bound})
    assert_bits_are_a_clients_own(TrainingRound(plan, 1), tiny_faces)


def test_nor_if_an_anchor_has_seen_the_images_of_all(tiny_plan: PlanOf, tiny_faces: FaceDataset) -> None:
    local = {"steps": 2, "learning_rate": 0.01, "vectorised_clients": 3, "shift": 1}
    held = {"name": "gaussian-negatives", "anchor": 5.0}
    plan = tiny_plan(local_training=local, strategy=held, data={"images_per_client": 6})
    sums = ClassSums.part_of(torch.eye(16)[0]) + ClassSums.part_of(torch.eye(16)[1])
    assert_bits_are_a_clients_own(TrainingRound(plan, 1, sums.tensors(), anchor=anchor_of(plan)), tiny_faces)


def assert_bits_are_a_clients_own(training: TrainingRound, faces: FaceDataset) -> None:
    plan = training.plan
    trainer = LocalTrainer(initial_network(plan.model, 0))
    draws = torch.Generator().manual_seed(4)
    rows_CD = normalize(torch.randn(7, plan.model.embedding_size, generator=draws), dim=1)
    trainees = [
        Trainee(client_id(index), faces.images(f"person-{index}")[:count], rows_CD[index], place=index)
        for index, count in enumerate((6, 2, 6, 5, 6, 1, 6))
    ]

    def made(of: list[Trainee]) -> dict[str, Update | TrainingFailure]:
        return dict(training_updates(trainer, of, training))

    alone = {trainee.client: made([trainee])[trainee.client] for trainee in trainees}
    assert all(isinstance(update, Update) for update in alone.values())
    for _ in range(3):
        order = torch.randperm(len(trainees), generator=draws).tolist()
        assert made([trainees[index] for index in order]) == alone


@pytest.mark.parametrize("strategy", STRATEGIES_IN_USE)
def test_the_loss_of_every_strategy_is_a_mean_over_images(tiny_plan: PlanOf, tiny_faces: FaceDataset, strategy: str) -> None:
    """So places can be filled up by images that weigh nothing: clients with few images have the updates of their own."""
    changes: dict[str, Any] = {"strategy": strategy, "split": {"public": 4, "clients": 8, "test": 8}}
    one, several = alone_and_vectorised(
        tiny_plan, tiny_faces, [6, 1, 3, 5], {"steps": 2}, data={"images_per_client": 6}, **changes
    )
    assert_equal_within_rounding(one, several)
    assert [update.accepted.images for update in several.values()] == [6, 1, 3, 5]


@pytest.mark.parametrize("images_per_client", [None, 6])
def test_features_are_those_of_a_measurement_and_no_loss_is_computed(
    tiny_plan: PlanOf, tiny_faces: FaceDataset, monkeypatch: pytest.MonkeyPatch, images_per_client: int | None
) -> None:
    counts = [6, 6 if images_per_client is None else 4]
    plan = tiny_plan(local_training={"vectorised_clients": 2}, data={"images_per_client": images_per_client})
    trainees = [
        Trainee(client_id(index), tiny_faces.images(f"person-{index}")[:count], torch.eye(16)[index], place=index)
        for index, count in enumerate(counts)
    ]

    def stacked() -> tuple[VectorisedNetworks, Any]:
        networks = VectorisedNetworks(LocalTrainer(initial_network(plan.model, 0)), trainees, TrainingRound(plan, 1))
        return networks, networks.stack([trainee.images_NCHW for trainee in trainees], networks.images, for_loss=True)

    networks, batches = stacked()
    measured = networks.measure(batches).features
    monkeypatch.setattr(vectorised_training, "client_loss", None)  # fails if called
    networks, batches = stacked()
    found = networks.features(batches)
    assert [len(each_ND) for each_ND in found] == counts
    for one_ND, other_ND in zip(found, measured, strict=True):
        assert torch.equal(one_ND, other_ND)


def test_every_client_has_an_update_of_its_own(tiny_plan: PlanOf, tiny_faces: FaceDataset) -> None:
    """If clients shared their weights, all updates would be equal."""
    plan = tiny_plan(local_training={"steps": 3, "learning_rate": 0.05, "vectorised_clients": 4})
    made = updates(plan, [6, 6, 6, 6], tiny_faces)
    assert len({update.accepted.sha256 for update in made.values()}) == 4


def test_one_at_a_time_a_client_trains_once_the_update_before_is_taken(
    tiny_plan: PlanOf, tiny_faces: FaceDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So one update is in memory at a time, however many clients there are."""
    plan = tiny_plan()
    trainer = LocalTrainer(initial_network(plan.model, 0))
    trained = list[str]()
    train = trainer.train

    def recorded(trainee: Trainee, training: TrainingRound) -> LocalResult:
        trained.append(trainee.client)
        return train(trainee, training)

    monkeypatch.setattr(trainer, "train", recorded)
    class_embedding_D = normalize(torch.arange(16.0), dim=0)
    trainees = [
        Trainee(client_id(index), tiny_faces.images("person-0")[:count], class_embedding_D)
        for index, count in enumerate((6, 2, 6))
    ]
    taken = []
    for client, _ in training_updates(trainer, trainees, TrainingRound(plan, 1)):
        taken.append(client)
        assert trained == taken
    assert len(taken) == 3


def test_the_same_plan_gives_the_same_bytes(tiny_plan: PlanOf, tiny_faces: FaceDataset) -> None:
    plan = tiny_plan(local_training={"steps": 3, "learning_rate": 0.05, "vectorised_clients": 3})
    first, again = (updates(plan, [6, 6, 2, 6], tiny_faces) for _ in range(2))
    assert first == again


def test_a_simulation_does_as_its_plan_says(tiny_plan: PlanOf, tiny_faces: FaceDataset) -> None:
    def model(together: int) -> dict[str, Tensor]:
        plan = tiny_plan(local_training={"steps": 2, "learning_rate": 0.05, "vectorised_clients": together})
        return decode_tensors(simulate(plan, dataset=tiny_faces).model)[0]

    one = model(1)
    several = model(4)
    assert any(not torch.equal(one[name], several[name]) for name in one), "vectorised, it is rounded otherwise"
    for name, tensor in one.items():
        torch.testing.assert_close(several[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoding", ["float16", "int8", {"name": "top-k", "share": 0.1}], ids=str)
def test_encoded_each_goes_on_from_its_own_residual(tiny_plan: PlanOf, tiny_faces: FaceDataset, encoding: Any) -> None:
    """Decoded change plus new residual equals change plus old residual. Rounding may move values between the summands."""
    feedback = {"name": encoding} if isinstance(encoding, str) else encoding
    counts = [6, 2, 6, 6]

    def plan_with(together: int) -> Plan:
        local = {"steps": 3, "learning_rate": 0.05, "vectorised_clients": together}
        return tiny_plan(local_training=local, update_encoding=feedback | {"error_feedback": True})

    plan = plan_with(1)
    encoding_of = update_encoding_of(plan)
    started_from = network_tensors(initial_network(plan.model, 0))
    parameters = sum(started_from[name].numel() for name in encoding_of.parameters)
    residuals = {f"client-{index:06d}": torch.full((parameters,), 0.001 * index) for index in range(1, len(counts))}

    def decoded_plus_residual(update: Update) -> Tensor:
        tensors, _ = decode_tensors(update.data)
        model = encoding_of.decode(tensors, started_from)
        assert update.residual is not None
        changes = [(model[name] - started_from[name]).reshape(-1) for name in encoding_of.parameters]
        return torch.cat(changes) + decode_residual(update.residual, parameters)

    one, several = (updates(plan_with(together), counts, tiny_faces, residuals) for together in (1, 3))
    unencoded = updates(tiny_plan(local_training={"steps": 3, "learning_rate": 0.05}), counts, tiny_faces)
    for client, update in unencoded.items():
        trained, _ = decode_tensors(update.data)
        changes = [(trained[name] - started_from[name]).reshape(-1) for name in encoding_of.parameters]
        owed_P = torch.cat(changes) + residuals.get(client, torch.zeros(parameters))
        for made in (one, several):
            torch.testing.assert_close(decoded_plus_residual(made[client]), owed_P, rtol=1e-5, atol=1e-5)


def test_a_vectorised_simulation_keeps_residuals(tiny_plan: PlanOf, tiny_faces: FaceDataset) -> None:
    def model(together: int, *, error_feedback: bool) -> dict[str, Tensor]:
        local = {"steps": 2, "learning_rate": 0.05, "vectorised_clients": together}
        encoding = {"name": "top-k", "share": 0.05, "error_feedback": error_feedback}
        plan = tiny_plan(local_training=local, update_encoding=encoding)
        return decode_tensors(simulate(plan, dataset=tiny_faces).model)[0]

    one = model(1, error_feedback=True)
    several = model(4, error_feedback=True)
    plain = model(4, error_feedback=False)

    def distance(other: dict[str, Tensor]) -> float:
        return update_norm(other, one)

    assert distance(several) < 0.01 * distance(plain)


@pytest.mark.parametrize("strategy", [{"name": "local-only", "scored_clients": 2}, "centralised"])
def test_where_clients_share_no_model_there_is_nothing_to_vectorise(tiny_plan: PlanOf, strategy: Any) -> None:
    with pytest.raises(ValidationError, match="vectorised_clients: with the strategy"):
        tiny_plan(strategy=strategy, local_training={"vectorised_clients": 2}, split={"public": 4, "clients": 8, "test": 8})
