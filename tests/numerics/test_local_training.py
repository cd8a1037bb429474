"""Local training against SGD written out with plain tensors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.errors import InvalidInputError, TooFewUpdatesError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import ModelPlan, Plan
from fedface_core.domain.plan.local_training import LocalTrainingPlan
from fedface_learning.aggregation import EnrolmentPartial, TrainingPartial
from fedface_learning.aggregation.reduce import reduce_partials
from fedface_learning.client.local_training import LocalResult, Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import training_update
from fedface_learning.client.vectorised_training import train_vectorised
from fedface_learning.data import FaceDataset
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.weights import network_tensors
from fedface_learning.objectives.class_sums import on_the_grid
from fedface_learning.objectives.losses import positive_squared_hinge
from fedface_learning.strategies.mean_embeddings import MEAN_EMBEDDING
from fedface_learning.strategies.public_negatives import PUBLIC
from fedface_learning.updates.form import in_one_block
from support.server_rounds import server_round, starting_point, stored_again

TARGET_D = normalize(torch.arange(16.0), dim=0)


@pytest.fixture
def network(tiny_plan: Callable[..., Plan]) -> EmbeddingNetwork:
    return initial_network(tiny_plan().model, 0)


@pytest.fixture
def images_NCHW(tiny_faces: FaceDataset) -> Tensor:  # noqa: N802
    return tiny_faces.images("person-3")


def trained_locally(
    network: EmbeddingNetwork, images_NCHW: Tensor, target_D: Tensor, local: LocalTrainingPlan, seed: int
) -> LocalResult:
    """The result of the client with the index ``seed``, on which its batches depend."""
    plan = Plan.model_validate({"model": network.plan, "local_training": local})
    return LocalTrainer(network).train(Trainee(client_id(seed), images_NCHW, target_D), TrainingRound(plan, 1))


def state(network: EmbeddingNetwork) -> bytes:
    return encode_tensors(network_tensors(network))


def plain_sgd(network: EmbeddingNetwork, batches: list[Tensor], plan: LocalTrainingPlan) -> dict[str, Tensor]:
    """v ← µv + g; p ← p − ηv, by the definition of the loss."""
    parameters = dict(network.named_parameters())
    velocity = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    for images_NCHW in batches:
        features_ND = network.features(images_NCHW) - network.centre
        cosines_N = features_ND @ TARGET_D / features_ND.norm(dim=1)
        hinges = [max(plan.margin - cosine, torch.tensor(0.0)) ** 2 for cosine in cosines_N]
        loss = torch.stack(hinges).sum() / len(images_NCHW)
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        with torch.no_grad():
            for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
                velocity[name] = plan.momentum * velocity[name] + gradient
                parameter.sub_(plan.learning_rate * velocity[name])
    return {name: tensor.clone() for name, tensor in network_tensors(network).items()}


def test_the_hinge_is_the_written_formula() -> None:
    embeddings_ND = normalize(torch.randn(5, 16, generator=torch.Generator().manual_seed(1)), dim=1)
    expected = sum(max(0.0, 0.9 - float(row_D @ TARGET_D)) ** 2 for row_D in embeddings_ND) / 5
    assert float(positive_squared_hinge(embeddings_ND, TARGET_D, 0.9)) == pytest.approx(expected, rel=1e-6)
    assert float(positive_squared_hinge(TARGET_D.unsqueeze(0), TARGET_D, 0.9)) == 0  # beyond the margin


def test_a_round_of_a_single_client_is_plain_training(
    tiny_plan: Callable[..., Plan], network: EmbeddingNetwork, images_NCHW: Tensor
) -> None:
    plan = tiny_plan(split={"clients": 1, "test": 2}, cohort={}, local_training={"steps": 3, "learning_rate": 0.05})
    expected = plain_sgd(initial_network(plan.model, 0), [images_NCHW] * 3, plan.local_training)
    global_model = {name: tensor.clone() for name, tensor in network_tensors(network).items()}

    update = training_update(LocalTrainer(network), Trainee("client-000000", images_NCHW, TARGET_D), TrainingRound(plan, 1))
    partial = TrainingPartial()
    partial.fold("client-000000", update.accepted, in_one_block(update.data), starting_point(plan, global_model))
    new_network = initial_network(plan.model, 0)
    reduced = reduce_partials([partial], server_round(plan, new_network, TARGET_D.unsqueeze(0)))

    for name, tensor in network_tensors(new_network).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-6)
    assert reduced.aggregation.update_norm is not None
    assert reduced.aggregation.update_norm > 0.01
    assert (reduced.aggregation.folded, reduced.aggregation.images, reduced.aggregation.refused) == (1, 6, {})


def test_training_lowers_the_loss_it_reports(network: EmbeddingNetwork, images_NCHW: Tensor) -> None:
    with torch.no_grad():
        before = float(positive_squared_hinge(network(images_NCHW), TARGET_D, 0.9))
    losses = trained_locally(network, images_NCHW, TARGET_D, LocalTrainingPlan(steps=5), 0)
    with torch.no_grad():
        after = float(positive_squared_hinge(network(images_NCHW), TARGET_D, 0.9))
    assert (losses.loss_before, losses.loss_after) == (before, after)
    assert after < before


def test_no_steps_leave_the_network_unchanged(network: EmbeddingNetwork, images_NCHW: Tensor) -> None:
    before = state(network)
    losses = trained_locally(network, images_NCHW, TARGET_D, LocalTrainingPlan(steps=0), 0)
    assert state(network) == before
    assert losses.loss_before == losses.loss_after


def test_without_centring_the_centre_stays_as_it_was(network: EmbeddingNetwork, images_NCHW: Tensor) -> None:
    trained_locally(network, images_NCHW, TARGET_D, LocalTrainingPlan(steps=2), 0)
    assert not network.centre.any()


def test_with_centring_the_centre_becomes_the_mean_feature_of_the_trained_network(
    tiny_plan: Callable[..., Plan], images_NCHW: Tensor
) -> None:
    def trained(steps: int) -> EmbeddingNetwork:
        network = initial_network(tiny_plan(model={"centring": True}).model, 0)
        network.centre.fill_(0.01)
        trained_locally(network, images_NCHW, TARGET_D, LocalTrainingPlan(steps=steps), 0)
        return network

    assert torch.equal(trained(0).centre, torch.full((16,), 0.01))
    network = trained(2)
    with torch.no_grad():
        torch.testing.assert_close(network.centre, network.features(images_NCHW).mean(dim=0))


@pytest.mark.parametrize("model", [{}, {"architecture": "mobilefacenet", "widths": (8, 8, 8)}, {"centring": True}])
def test_whoever_trained_before_leaves_no_trace(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset, images_NCHW: Tensor, model: dict[str, object]
) -> None:
    """No weights, statistics, momentum or layout are left over, and the next update does not overwrite the last one."""
    plan = tiny_plan(model=model)
    fresh = LocalTrainer(initial_network(plan.model, 0))
    alone = training_update(fresh, Trainee("client-000003", images_NCHW, TARGET_D), TrainingRound(plan, 1))
    used = LocalTrainer(initial_network(plan.model, 7))
    used.start_from(network_tensors(initial_network(plan.model, 0)), "the global model")
    before = training_update(
        used, Trainee("client-000009", tiny_faces.images("person-9"), TARGET_D.flip(0)), TrainingRound(plan, 1)
    )
    bytes_before = bytes(bytearray(before.data))
    assert training_update(used, Trainee("client-000003", images_NCHW, TARGET_D), TrainingRound(plan, 1)) == alone
    assert before.data == bytes_before != alone.data


def test_a_trainer_refuses_a_model_that_does_not_fit_and_keeps_its_own(network: EmbeddingNetwork) -> None:
    trainer = LocalTrainer(network)
    before = state(network)
    with pytest.raises(InvalidInputError, match="the wrong one does not fit"):
        trainer.start_from({"embedding.weight": TARGET_D}, "the wrong one")
    assert state(trainer.reset()) == before


@pytest.mark.parametrize("batch_size", [None, 4])
def test_the_same_inputs_give_the_same_bytes(
    tiny_plan: Callable[..., Plan], images_NCHW: Tensor, batch_size: int | None
) -> None:
    def trained(seed: int) -> bytes:
        network = initial_network(tiny_plan().model, 0)
        trained_locally(network, images_NCHW, TARGET_D, LocalTrainingPlan(steps=4, batch_size=batch_size), seed)
        return state(network)

    assert trained(5) == trained(5)
    assert (trained(5) == trained(6)) == (batch_size is None)  # only mini-batches are drawn


def test_where_a_class_embedding_lies_in_memory_does_not_matter(tiny_plan: Callable[..., Plan], images_NCHW: Tensor) -> None:
    """A client has a copy of its row; the simulation has a slice of W."""
    unaligned_D = torch.zeros(17)[1:].copy_(TARGET_D)
    states = set()
    for target_D in (TARGET_D, unaligned_D):
        network = initial_network(tiny_plan().model, 0)
        trained_locally(network, images_NCHW, target_D, LocalTrainingPlan(steps=2), 0)
        states.add(state(network))
    assert len(states) == 1


def test_a_batch_as_large_as_the_images_is_all_of_them(tiny_plan: Callable[..., Plan], images_NCHW: Tensor) -> None:
    states = set()
    for batch_size in (None, 6, 100):
        network = initial_network(tiny_plan().model, 0)
        trained_locally(network, images_NCHW, TARGET_D, LocalTrainingPlan(steps=2, batch_size=batch_size), 0)
        states.add(state(network))
    assert len(states) == 1


def test_mini_batches_go_through_all_images_before_any_comes_again(
    network: EmbeddingNetwork, images_NCHW: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    embed = network.features_of_pixels

    def recorded(batch_NCHW: Tensor) -> Tensor:
        if torch.is_grad_enabled():  # a step, not a measurement
            seen.append(batch_NCHW)
        return embed(batch_NCHW)

    monkeypatch.setattr(network, "features_of_pixels", recorded)
    trained_locally(network, images_NCHW, TARGET_D, LocalTrainingPlan(steps=3, batch_size=2), 0)
    drawn = sorted(image.sum().item() for batch in seen for image in batch)
    assert drawn == sorted(image.sum().item() for image in network.pixels(images_NCHW))


@pytest.mark.parametrize(("images", "moves"), [(6, True), (1, False)])
def test_batch_norm_statistics_move_where_there_is_more_than_one_image(images: int, moves: bool) -> None:
    plan = ModelPlan.model_validate(
        {"architecture": "mobilefacenet", "height": 32, "width": 32, "embedding_size": 16, "widths": [8, 8, 8]}
    )
    network = initial_network(plan, 0)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    images_NCHW = torch.randint(256, (images, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    trained_locally(network, images_NCHW, TARGET_D, LocalTrainingPlan(steps=2), 0)
    moved = {name.split(".")[-1] for name, buffer in network.named_buffers() if not torch.equal(buffer, before[name])}
    assert moved == ({"running_mean", "running_var", "num_batches_tracked"} if moves else set())


def test_partials_come_back_from_their_bytes(
    images_NCHW: Tensor, network: EmbeddingNetwork, tiny_plan: Callable[..., Plan]
) -> None:
    plan = tiny_plan()
    start = starting_point(plan, network_tensors(network))
    update = training_update(LocalTrainer(network), Trainee("client-000000", images_NCHW, TARGET_D), TrainingRound(plan, 1))
    partial = TrainingPartial()
    for client in ("client-000000", "client-000001"):
        partial.fold(client, update.accepted, in_one_block(update.data), start)
    partial.fold("client-000002", update.accepted, in_one_block(b"other bytes"), start)
    again = TrainingPartial()
    again.merge(stored_again(partial))
    assert again.encoded_parts() == partial.encoded_parts()
    assert (again.folded, again.refused, again.images) == (2, {"client-000002": "changed"}, 12)
    assert stored_again(EnrolmentPartial({"client-000004": TARGET_D}, {"client-000004": 6})).images == {"client-000004": 6}


def test_losses_that_are_seen_are_those_of_the_first_and_the_last_step_and_change_no_weight(
    network: EmbeddingNetwork, images_NCHW: Tensor
) -> None:
    def trained(losses: str, steps: int, **more: object) -> tuple[LocalResult, bytes]:
        local = LocalTrainingPlan.model_validate({"losses": losses, "steps": steps, "learning_rate": 0.05} | more)
        trainer = LocalTrainer(network)
        plan = Plan.model_validate({"model": network.plan, "local_training": local})
        result = trainer.train(Trainee(client_id(7), images_NCHW, TARGET_D), TrainingRound(plan, 1))
        weights = encode_tensors(result.model)
        trainer.reset()
        return result, weights

    seen, weights = trained("seen", 3)
    measured, same_weights = trained("measured", 3)
    assert weights == same_weights
    assert seen.loss_before == measured.loss_before
    # The last step sees what the steps before it have done.
    assert seen.loss_after == trained("measured", 2)[0].loss_after != measured.loss_after
    assert trained("seen", 1)[0].loss_after == seen.loss_before  # a single step is the first and the last
    # Without a step nothing was seen, so the loss is measured.
    assert trained("seen", 0)[0].loss_after == trained("measured", 0)[0].loss_after
    moved, _ = trained("seen", 3, shift=2)
    moved_measured, _ = trained("measured", 3, shift=2)
    assert moved.loss_before != moved_measured.loss_before == measured.loss_before  # what it sees is augmented


@pytest.mark.parametrize("loss", [None, float("nan"), float("inf")])
def test_an_update_without_finite_losses_is_refused_and_nothing_is_left_to_average(
    network: EmbeddingNetwork, images_NCHW: Tensor, tiny_plan: Callable[..., Plan], loss: float | None
) -> None:
    start = starting_point(tiny_plan(), network_tensors(network))
    update = training_update(
        LocalTrainer(network), Trainee("client-000000", images_NCHW, TARGET_D), TrainingRound(tiny_plan(), 1)
    )
    accepted = update.accepted.model_copy(update={"loss_after": loss})
    partial = TrainingPartial()
    partial.fold("client-000000", accepted, in_one_block(update.data), start)
    assert (partial.folded, partial.refused) == (0, {"client-000000": "malformed"})
    with pytest.raises(TooFewUpdatesError, match=r"0 updates could be used.*client-000000 \(malformed\)"):
        reduce_partials([partial], server_round(tiny_plan(), network, TARGET_D.unsqueeze(0)))


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_client_may_move_its_class_embedding_before_it_trains(
    network: EmbeddingNetwork, images_NCHW: Tensor, at_once: int
) -> None:
    """It moves half way to its mean embedding, trains with that, and uploads it."""
    mean_D = on_the_grid(normalize(network.features(images_NCHW)).detach().mean(dim=0))
    trainer = LocalTrainer(network)

    def trained(embedded_by: str, former_D: Tensor) -> tuple[bytes, Tensor]:
        plan = Plan.model_validate(
            {
                "model": network.plan,
                "strategy": {"name": "public-negatives", "embedded_by": embedded_by},
                "split": {"public": 3},
                "local_training": {"steps": 2, "learning_rate": 0.05, "vectorised_clients": at_once},
            }
        )
        training = TrainingRound(plan, 1, {PUBLIC: torch.eye(16)[:3]})
        trainee = Trainee(client_id(0), images_NCHW, former_D)
        [result] = [trainer.train(trainee, training)] if at_once == 1 else train_vectorised(trainer, [trainee], training)
        return encode_tensors(result.model), result.uploads[MEAN_EMBEDDING]

    weights, moved_D = trained("base", TARGET_D)
    torch.testing.assert_close(moved_D, on_the_grid(TARGET_D + mean_D), rtol=0, atol=1e-4)
    assert weights == trained("trained", moved_D)[0]
    assert weights != trained("trained", TARGET_D)[0]
