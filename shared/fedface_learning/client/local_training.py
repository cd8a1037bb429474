"""Local training: how clients train in a round, each on its own images and from the global model.

The recipe is written once, for K clients that train at once. `TraineeNetworks` says what it asks of their networks: one
client trains in the trainer's own (`trainer.py`), several in copies of it side by side (`vectorised_training.py`).

K clients, N images of each, C×H×W pixels, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_learning.client.batches import batches, images_in_a_step, uses_all_unaugmented
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import mean_feature
from fedface_learning.seeding import derive_seed
from fedface_learning.strategies import NOTHING, ClientRound, Tensors, strategy_of


@dataclass(frozen=True)
class TrainingRound:
    """A training round, as all its clients are given it."""

    plan: Plan
    number: int
    """1 or more: round 0 is enrolment."""
    guidance: Tensors = field(default_factory=dict)
    """What the aggregator gives to every client of the round."""
    started_from: str | None = None
    """The SHA-256 of the global model, for updates to say which one they are of; None if that has no name."""

    @property
    def steps(self) -> int:
        """How many gradient steps each client takes."""
        return self.plan.local_training.steps_in(self.number, self.plan.rounds)

    @property
    def reports_what_it_sees(self) -> bool:
        """Whether clients report the losses that their first and last step saw, instead of measuring them."""
        return self.plan.local_training.reports_what_it_sees(self.steps)

    def seed_of(self, client: str) -> int:
        """The seed of all that is drawn for a client in this round."""
        return derive_seed(self.plan.seed, self.number, client)


@dataclass(frozen=True)
class Trainee:
    """A client that trains, with what is its own."""

    client: str
    images_NCHW: Tensor
    class_embedding_D: Tensor
    residual_P: Tensor | None = None
    """What the encoding of its last update that counted had left out, with error feedback."""


@dataclass(frozen=True)
class LocalResult:
    """What a client has come to."""

    before: float
    """The mean loss over its images, in evaluation mode, before its steps; or what its first step saw, as the plan says."""
    after: float
    """The mean loss over its images, in evaluation mode, after its steps; or what its last step saw, as the plan says."""
    model: Tensors
    """Parameters and buffers as trained. They are the trainer's own: read them before the next client trains."""
    uploads: Tensors
    """The further tensors that its strategy has it upload beside the model."""


@dataclass(frozen=True)
class Measured:
    """K networks, measured on all images of their clients."""

    losses: list[float]
    """The mean loss of each client, (K,)."""
    features: Sequence[Tensor]
    """The raw features (N, D) of each client's images."""


class TraineeNetworks(Protocol):
    """The networks and class embeddings of K clients that train at once, each the global model to begin with."""

    network: EmbeddingNetwork
    """Makes pixels of images. Its mode, training or evaluation, is that of all K."""
    parameters: list[Tensor]
    """What is trained of the K networks."""
    class_embeddings: Tensor
    """(D,) if K is 1, or (K, D); memory of its own."""
    fused: bool
    """Whether SGD steps by torch's fused operation. It rounds otherwise, so that it is settled for each kind of networks."""

    def stacked(self, batches: Sequence[Tensor], /) -> Tensor:
        """K batches of pixels (N, C, H, W) as `losses` and `measure` take them."""

    def losses(self, pixels: Tensor, /) -> Tensor:
        """The mean loss of each client on its batch, (K,), with gradients."""

    def measure(self, pixels: Tensor, /) -> Measured:
        """Losses and features in evaluation mode, without gradients. Leaves the networks in that mode."""

    def client_round(self, index: int, /) -> ClientRound:
        """What the strategy is to know of a client, with its class embedding as it is now."""

    def model(self, index: int, /) -> Tensors:
        """The parameters and buffers of a client's network, in its own memory."""


def train_clients(networks: TraineeNetworks, trainees: Sequence[Trainee], training: TrainingRound) -> list[LocalResult]:
    """Train K clients, which have equally many images, and say what each has come to.

    Plain SGD with momentum, which starts at zero each round: the network that comes out is the update. What is
    minimised, and whether the class embedding w_c is learnt or fixed, is the strategy's to say. The centre is fixed
    meanwhile.

    With centring, the centre that comes out is the mean feature of the client's own images by its trained network, a
    statistic that the aggregator averages as it does BatchNorm's. So the centre follows the model. One kept from
    enrolment does not, and the drift that all clients share is then taken for change that tells them apart, and grows
    from round to round (docs/settings/orl_cross_validation.md).
    """
    plan = training.plan
    strategy = strategy_of(plan)
    network = networks.network
    pixels = [network.pixels(trainee.images_NCHW) for trainee in trainees]
    all_pixels = networks.stacked(pixels)
    images = len(pixels[0])
    before = None if _first_loss_is_before(network, training, images) else networks.measure(all_pixels).losses
    network.train(_normalises_by_batch(network, training, images))
    if uses_all_unaugmented(plan.local_training, images):
        seen = _take_steps(networks, repeat(all_pixels, training.steps), training)
    else:
        seen = _take_steps(networks, map(networks.stacked, _drawn(pixels, trainees, training)), training)
    before = seen[0] if before is None else before
    models = [networks.model(index) for index in range(len(trainees))]
    if training.reports_what_it_sees and not _needs_features_after(plan):
        return _results(before, seen[-1], models, [NOTHING] * len(trainees))
    measured = networks.measure(all_pixels)
    after = seen[-1] if training.reports_what_it_sees else measured.losses
    uploads = [strategy.uploads(networks.client_round(index), own_ND) for index, own_ND in enumerate(measured.features)]
    if plan.model.centring and training.steps:
        for model, own_ND in zip(models, measured.features, strict=True):
            model["centre"].copy_(mean_feature(own_ND))
    return _results(before, after, models, uploads)


def _results(
    before: Sequence[float], after: Sequence[float], models: Sequence[Tensors], uploads: Sequence[Tensors]
) -> list[LocalResult]:
    return [LocalResult(*of_one) for of_one in zip(before, after, models, uploads, strict=True)]


def _take_steps(networks: TraineeNetworks, inputs: Iterable[Tensor], training: TrainingRound) -> list[list[float]]:
    """Take a gradient step on each of the inputs, and return the K losses that each step saw."""
    local = training.plan.local_training
    rate_share, _ = training.plan.rate_shares(training.number)
    groups = [{"params": networks.parameters, "lr": local.learning_rate * rate_share}]
    class_embedding_rate = strategy_of(training.plan).class_embedding_rate(training.plan)
    if class_embedding_rate is not None:
        groups.append({"params": [networks.class_embeddings.requires_grad_()], "lr": class_embedding_rate * rate_share})
    optimiser = torch.optim.SGD(groups, momentum=local.momentum, fused=networks.fused)
    seen: list[list[float]] = []
    for pixels in inputs:
        optimiser.zero_grad()
        losses_K = networks.losses(pixels)
        torch.autograd.backward(losses_K.sum())
        optimiser.step()
        if class_embedding_rate is not None:
            networks.class_embeddings.data.copy_(normalize(networks.class_embeddings.data, dim=-1))
        seen.append(losses_K.tolist())
    optimiser.zero_grad()
    networks.class_embeddings.requires_grad_(False)
    return seen


def _drawn(pixels: Sequence[Tensor], trainees: Sequence[Trainee], training: TrainingRound) -> Iterator[tuple[Tensor, ...]]:
    """The K batches of each step."""
    local = training.plan.local_training
    seeds = [training.seed_of(trainee.client) for trainee in trainees]
    drawn = [batches(own_NCHW, local, training.steps, seed) for own_NCHW, seed in zip(pixels, seeds, strict=True)]
    return zip(*drawn, strict=True)


def _first_loss_is_before(network: EmbeddingNetwork, training: TrainingRound, images: int) -> bool:
    """Whether the loss before is that of the first step.

    The plan says so, or that step sees all images, as they are, through the very network whose loss is to be measured.
    """
    as_measured = uses_all_unaugmented(training.plan.local_training, images) and not network.has_batch_norm
    return training.reports_what_it_sees or (training.steps > 0 and as_measured)


def _normalises_by_batch(network: EmbeddingNetwork, training: TrainingRound, images: int) -> bool:
    """Whether steps are in training mode. One image has no variance to normalise by, and takes running statistics."""
    return network.has_batch_norm and images_in_a_step(training.plan.local_training, images) != 1


def _needs_features_after(plan: Plan) -> bool:
    """Whether anything but the loss is made of the images' features by the trained network."""
    return plan.model.centring or bool(strategy_of(plan).upload_shapes(plan))
