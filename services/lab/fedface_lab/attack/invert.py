"""`fedface attack invert`: what the aggregator can see in one client's update, and what in the sum of a shard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from fedface_core.domain.ids import client_index
from fedface_lab.attack.inversion import Reconstruction, Search, invert
from fedface_lab.attack.similarity import structural_similarity
from fedface_lab.attack.stored_round import StoredRound
from fedface_lab.attack.uploaded_gradient import check_invertible, gradient_of, gradient_of_sum
from fedface_learning.client.batches import batches, images_in_a_step
from fedface_learning.client.local_training import TrainingRound
from fedface_learning.data import open_photographs, split_identities
from fedface_learning.models import EmbeddingNetwork, build_network
from fedface_learning.models.weights import load_tensors
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER
from fedface_learning.strategies import ClientRound, strategy_of
from fedface_learning.strategies.anchored_loss import client_loss
from fedface_learning.strategies.mean_embeddings import MEAN_EMBEDDING


class InversionFigures(BaseModel):
    """How near reconstructed images are."""

    model_config = ConfigDict(frozen=True)

    ssim: float
    """Structural similarity to the client's images, the mean over images: 1 if they are equal."""
    gradient_cosine: float
    """Of the gradient by the reconstructed images and the one that was inverted."""
    loss_before: float
    loss_after: float
    """Of the search, before its first iteration and before its last."""


class InversionReport(BaseModel):
    """What `fedface attack invert` reports."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    round: int
    client: str
    images: int
    """That the client's step saw."""
    from_update: InversionFigures
    from_sum: InversionFigures
    clients_in_sum: int
    picture: Path


@dataclass(frozen=True)
class Inverted:
    """A client's images, and what was reconstructed of them: each (N, C, H, W), uint8, in equal order."""

    original_NCHW: Tensor
    from_update_NCHW: Tensor
    from_sum_NCHW: Tensor
    update: Reconstruction
    sum: Reconstruction
    clients_in_sum: int

    def figures(self) -> tuple[InversionFigures, InversionFigures]:
        """Of the images from the update, and from the sum."""
        return (
            _figures(self.original_NCHW, self.from_update_NCHW, self.update),
            _figures(self.original_NCHW, self.from_sum_NCHW, self.sum),
        )


def invert_update(stored: StoredRound, client: str, search: Search, on_iteration: Callable[[], None]) -> Inverted:
    """Reconstruct the images of a client's only step, from its update and from the sum of its shard.

    The attacker knows what the aggregator does: plan, model, class embedding and number of images. The photographs
    themselves are opened to compare, which only the laboratory can do. `InvalidInputError` if the round's updates hold no
    gradient, or are not there.
    """
    plan = stored.manifest.run.plan
    check_invertible(plan, stored.manifest.round)
    network = build_network(plan.model)
    load_tensors(network, stored.global_model(), source="the global model")
    loss = loss_of(stored, client, network)
    images = images_in_a_step(plan.local_training, stored.manifest.accepted[client].declared_images)
    network.train(network.has_batch_norm and images > 1)
    parameters = [name for name, _ in network.named_parameters()]
    of_update = invert(network, loss, gradient_of(stored, client, parameters), images, search, on_iteration)
    gradient, clients = gradient_of_sum(stored, client, parameters)
    of_sum = invert(network, loss, gradient, images, search, on_iteration)
    original_NCHW = images_of_step(stored, client)
    return Inverted(
        original_NCHW,
        _in_order(original_NCHW, of_update.images_NCHW),
        _in_order(original_NCHW, of_sum.images_NCHW),
        of_update,
        of_sum,
        clients,
    )


def loss_of(stored: StoredRound, client: str, network: EmbeddingNetwork) -> Callable[[Tensor], Tensor]:
    """The client's loss of images (N, C, H, W) by the network, which holds the global model.

    It follows from what the aggregator has. `InvalidInputError` if the update was not accepted, or is removed.
    """
    plan = stored.manifest.run.plan
    strategy = strategy_of(plan)
    update = stored.update(client)
    row_D = stored.class_embedding(client)
    former_D = update[BEFORE_AND_AFTER][0] if row_D is None else row_D
    own_D = former_D
    if strategy.renews_class_embedding(plan):  # the new one is in the update
        own_D = update[BEFORE_AND_AFTER][1] if row_D is None else update[MEAN_EMBEDDING]
    client_round = ClientRound(
        plan=plan,
        number=stored.manifest.round.number,
        network=network,
        class_embedding_D=own_D,
        former_class_embedding_D=former_D,
        global_model=stored.global_model(),
        guidance=stored.guidance(),
    )
    anchor = stored.anchor()
    if anchor is None:
        return lambda images_NCHW: client_loss(client_round, network.features(images_NCHW), None)
    held_to = build_network(plan.model).eval().requires_grad_(False)
    load_tensors(held_to, anchor, source="the anchor")
    return lambda images_NCHW: client_loss(client_round, network.features(images_NCHW), held_to(images_NCHW))


def images_of_step(stored: StoredRound, client: str) -> Tensor:
    """The images (N, C, H, W), uint8, that the client's step saw, augmented as it saw them.

    No attacker has them: the laboratory opens the plan's data set.
    """
    plan = stored.manifest.run.plan
    dataset = open_photographs(plan)
    identity = split_identities(dataset.identities, plan.split).clients[client_index(client)]
    images_NCHW = dataset.images(identity)[: plan.data.images_per_client]
    training = TrainingRound(plan, stored.manifest.round.number)
    return next(batches(images_NCHW, plan.local_training, 1, training.seed_of(client)))


def _in_order(original_NCHW: Tensor, found_NCHW: Tensor) -> Tensor:
    """The reconstructed images, each in the place of the original that it is like: a gradient has no order."""
    likeness = torch.tensor([[structural_similarity(one, other) for other in found_NCHW] for one in original_NCHW])
    _, order = linear_sum_assignment(likeness.numpy(), maximize=True)
    return found_NCHW[torch.from_numpy(order)]


def _figures(original_NCHW: Tensor, found_NCHW: Tensor, found: Reconstruction) -> InversionFigures:
    alike = [structural_similarity(one, other) for one, other in zip(original_NCHW, found_NCHW, strict=True)]
    return InversionFigures(
        ssim=sum(alike) / len(alike),
        gradient_cosine=found.gradient_cosine,
        loss_before=found.losses[0],
        loss_after=found.losses[-1],
    )
