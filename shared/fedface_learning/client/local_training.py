"""Local training: how clients train in a round, each on its own images and from the global model.

`train_clients` trains K clients at once. `TraineeNetworks` is what it needs of their networks: one client trains in the
trainer's own network (`trainer.py`), several clients train in copies of it (`vectorised_training.py`).

K clients, N images of each, C×H×W pixels, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_learning.client.batches import batches, images_in_a_step, uses_all_unaugmented
from fedface_learning.device import on_host
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import mean_feature
from fedface_learning.seeding import derive_seed
from fedface_learning.strategies import ClientRound, Tensors, strategy_of
from fedface_learning.strategies.mean_embeddings import renewed_class_embedding
from fedface_learning.updates.trained import TrainedModels


@dataclass(frozen=True)
class TrainingRound:
    """What all clients of a training round are given."""

    plan: Plan
    number: int
    """The number of the round; 1 or more, because round 0 is enrolment."""
    guidance: Tensors = field(default_factory=dict)
    """The tensors that the aggregator gives to every client of the round."""
    started_from: str | None = None
    """The SHA-256 of the global model, which updates report; None if the model has no name."""
    anchor: EmbeddingNetwork | None = None
    """If the plan has an anchor: the network that the first training round started from, on the device of the training."""

    @property
    def steps(self) -> int:
        """The number of gradient steps that each client takes."""
        return self.plan.local_training.steps_in(self.number, self.plan.rounds)

    @property
    def reports_seen_losses(self) -> bool:
        """Whether clients report the losses of their first and last training step, instead of measuring both losses anew."""
        return self.plan.local_training.reports_seen_losses(self.steps)

    def seed_of(self, client: str) -> int:
        """The seed of all random numbers for a client in this round."""
        return derive_seed(self.plan.seed, self.number, client)


@dataclass(frozen=True)
class Trainee:
    """A client that trains, and the tensors that belong to it alone."""

    client: str
    images_NCHW: Tensor
    """Its images (N, C, H, W), uint8."""
    class_embedding_D: Tensor
    """Its class embedding (D,), of unit length."""
    residual_P: Tensor | None = None
    """With error feedback, the residual (P,) of its last update that is in the model; None if there is no residual."""
    place: int = 0
    """Its place in the cohort, from 0. Of clients that train at once, each has the place in the computation that follows."""


@dataclass(frozen=True)
class LocalResult:
    """The result of a client's local training."""

    loss_before: float
    """The mean loss over its images in evaluation mode, before training; or the loss of its first step, as the plan says."""
    loss_after: float
    """The mean loss over its images in evaluation mode, after training; or the loss of its last step, as the plan says."""
    models: TrainedModels
    """The models of all clients that trained with this one."""
    index: int
    """Which of them is this client's."""
    uploads: Tensors
    """The further tensors that the client uploads beside the model, as the strategy asks."""

    @property
    def model(self) -> Tensors:
        """The client's trained parameters and buffers, by name, on the CPU, as `TrainedModels.of` gives them."""
        return self.models.of(self.index)


@dataclass(frozen=True)
class Measurement:
    """Losses and features of K networks on all images of their clients."""

    losses_K: Tensor
    """The mean loss of each client (K,)."""
    features: Sequence[Tensor]
    """The raw features (N, D) of each client's images."""


StackedT = TypeVar("StackedT")
"""A batch of K clients, as a `TraineeNetworks` stacks them."""


class TraineeNetworks(Protocol[StackedT]):
    """The networks and class embeddings of K clients that train at once. At first each network is the global model."""

    network: EmbeddingNetwork
    """Turns images into pixels. Its mode, training or evaluation, holds for all K networks."""
    parameters: list[Tensor]
    """The parameters of all K networks."""
    class_embeddings: Tensor
    """The class embeddings, (D,) if K is 1, otherwise (K, D). They share no memory with anything else."""
    images: int
    """How many images the place of each client has: those of the client, or more, of which some count for nothing."""
    fused: bool
    """Whether SGD uses torch's fused operation, which rounds differently. So each implementation always gives one answer."""

    def stack(self, batches: Sequence[Tensor], places: int, /, *, for_loss: bool) -> StackedT:
        """The pixels of K batches of images (N, C, H, W), uint8, each filled up to so many ``places``.

        Losses can be computed only of what is stacked ``for_loss``, since the anchor has seen it too, if there is one.
        """

    def take_steps(self, inputs: Iterable[StackedT], training: TrainingRound, /) -> list[Tensor]:
        """Take a gradient step on each of the inputs, as `gradient_steps.take_steps` does; return what that returns."""

    def losses(self, stacked: StackedT, /) -> Tensor:
        """The mean loss of each client on its batch (K,), with gradients."""

    def features(self, stacked: StackedT, /) -> Sequence[Tensor]:
        """The raw features (N, D) of each client's images in evaluation mode, without gradients. The networks stay in it."""

    def measure(self, stacked: StackedT, /) -> Measurement:
        """Losses and raw features in evaluation mode, without gradients. The networks stay in evaluation mode."""

    def client_round(self, index: int, /) -> ClientRound:
        """What the strategy sees of the client with this index, with its current class embedding."""

    def models(self) -> TrainedModels:
        """The parameters and buffers of the network of each client. They are not copied."""


def train_clients(
    networks: TraineeNetworks[StackedT], trainees: Sequence[Trainee], training: TrainingRound
) -> list[LocalResult]:
    """Train K clients, and return the result of each. It is the one recipe, for one client and for many, on any device.

    The optimiser is SGD with momentum, which starts at zero in each round. The strategy gives the loss, and says whether
    clients move their class embeddings before they train, or learn them. The centre is fixed during the training.

    With centring, each trained model's centre becomes the mean feature of the client's images by its trained network. The
    aggregator averages centres like BatchNorm's statistics, so the centre follows the model. A centre that stayed as at
    enrolment would not: then the drift that all clients share would count as a difference between clients, and grow from
    round to round (docs/settings/orl_cross_validation.md).
    """
    plan = training.plan
    strategy = strategy_of(plan)
    network = networks.network
    images = networks.images
    sees_all = uses_all_unaugmented(plan.local_training, images)
    describes = describes_trained(plan)
    needs_measuring = not training.reports_seen_losses or plan.model.centring or describes
    all_pixels = networks.stack([trainee.images_NCHW for trainee in trainees], images, for_loss=sees_all or needs_measuring)
    if strategy.renews_class_embedding(plan):
        renewed = [
            renewed_class_embedding(networks.client_round(index), features_ND)
            for index, features_ND in enumerate(networks.features(all_pixels))
        ]
        renewed_KD = torch.stack(renewed)
        networks.class_embeddings.copy_(renewed_KD.reshape(networks.class_embeddings.shape))
    step_gives_before = _first_step_gives_loss_before(network, training, images)
    at_first = None if step_gives_before else networks.measure(all_pixels)
    network.train(_normalises_by_batch(network, training, images))
    if sees_all:
        step_losses = networks.take_steps(repeat(all_pixels, training.steps), training)
    else:
        places = images_in_a_step(plan.local_training, images)
        stacked = (networks.stack(of_step, places, for_loss=True) for of_step in _batches_of_all(trainees, training))
        step_losses = networks.take_steps(stacked, training)
    before_K = step_losses[0] if at_first is None else at_first.losses_K
    models = networks.models()
    # Without a step, the networks and what they give are as at first.
    measured = (networks.measure(all_pixels) if training.steps else at_first) if needs_measuring else None
    after_K = step_losses[-1] if training.reports_seen_losses or measured is None else measured.losses_K
    none_0D = torch.empty(0, plan.model.embedding_size)
    described = measured.features if describes and measured is not None else [none_0D] * len(trainees)
    uploads = [
        on_host(strategy.uploads(networks.client_round(index), features_ND)) for index, features_ND in enumerate(described)
    ]
    if plan.model.centring and training.steps:
        assert measured is not None, "the centre needs the features by the trained network"
        for centre_D, features_ND in zip(models.stacked["centre"], measured.features, strict=True):
            centre_D.copy_(mean_feature(features_ND))
    return _results(before_K, after_K, models, uploads)


def describes_trained(plan: Plan) -> bool:
    """Whether clients upload something that is made of features by the networks that they have trained."""
    strategy = strategy_of(plan)
    return bool(strategy.upload_shapes(plan)) and strategy.needs_trained_features(plan)


def _results(before_K: Tensor, after_K: Tensor, models: TrainedModels, uploads: Sequence[Tensors]) -> list[LocalResult]:
    losses = torch.stack([before_K, after_K], dim=1).tolist()  # only now, so that no step waits for a GPU
    return [
        LocalResult(before, after, models, index, further)
        for index, ((before, after), further) in enumerate(zip(losses, uploads, strict=True))
    ]


def _batches_of_all(trainees: Sequence[Trainee], training: TrainingRound) -> Iterator[tuple[Tensor, ...]]:
    """The K batches of each step."""
    local = training.plan.local_training
    return zip(
        *(batches(trainee.images_NCHW, local, training.steps, training.seed_of(trainee.client)) for trainee in trainees),
        strict=True,
    )


def _first_step_gives_loss_before(network: EmbeddingNetwork, training: TrainingRound, images: int) -> bool:
    """Whether the loss before training is taken from the first step.

    It is if the plan says so, or if that step computes what a measurement would: all images, not augmented, and without
    BatchNorm.
    """
    as_measured = uses_all_unaugmented(training.plan.local_training, images) and not network.has_batch_norm
    return training.reports_seen_losses or (training.steps > 0 and as_measured)


def _normalises_by_batch(network: EmbeddingNetwork, training: TrainingRound, images: int) -> bool:
    """Whether steps run in training mode. A batch of one image has no variance, and so uses the running statistics."""
    return network.has_batch_norm and images_in_a_step(training.plan.local_training, images) != 1
