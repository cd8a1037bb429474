"""A client's part of a training round: SGD on its own images, from the global model. N images, D dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.local_training import LocalTrainingPlan
from fedface_learning.data.augmentation import augmented
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import features_of_pixels, mean_feature
from fedface_learning.models.weights import load_tensors
from fedface_learning.seeding import generator
from fedface_learning.strategies import NOTHING, ClientRound, Tensors, strategy_of

_BatchNorm = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class LocalResult:
    """What a client has come to."""

    before: float
    """The mean loss over its images, in evaluation mode, before its steps; or what its first step saw, as the plan says."""
    after: float
    """The same, after its steps; or what its last one saw."""
    model: Tensors
    """Parameters and buffers as trained. They are the trainer's own: read them before the next client trains."""
    uploads: Tensors
    """What else it uploads."""


class LocalTrainer:
    """A network in which one client after another trains, each from the global model. A process needs one.

    ``network`` is the global model to begin with. Same inputs, same bits, whoever trained in it before, at one thread count.
    """

    def __init__(self, network: EmbeddingNetwork) -> None:
        self.network = network
        self.has_batch_norm = any(isinstance(module, _BatchNorm) for module in network.modules())
        self._state = network.state_dict()
        self.global_model: Tensors = {name: tensor.clone() for name, tensor in self._state.items()}

    def start_from(self, model: Tensors, source: str) -> None:
        """Have clients start from another global model. `InvalidInputError`, naming ``source``, where it does not fit."""
        load_tensors(self.network, model, source)
        self.global_model = {name: tensor.clone() for name, tensor in self._state.items()}

    @torch.no_grad()
    def reset(self) -> EmbeddingNetwork:
        """The network, as the global model again."""
        for name, tensor in self._state.items():
            tensor.copy_(self.global_model[name])
        return self.network

    def train(
        self,
        images_NCHW: Tensor,
        class_embedding_D: Tensor,
        plan: Plan,
        number: int,
        seed: int,
        guidance: Tensors = NOTHING,
    ) -> LocalResult:
        """Train a client in round ``number``.

        Plain SGD with momentum, which starts at zero each round: the network that comes out is the update. What is
        minimised, and whether the class embedding w_c is learnt or fixed, is the strategy's to say. The centre is fixed
        meanwhile.

        With centring, the centre that comes out is the mean feature of the client's own images by its trained network, a
        statistic that the aggregator averages as it does BatchNorm's. So the centre follows the model. One kept from
        enrolment does not, and the drift that all clients share is then taken for change that tells them apart, and grows
        from round to round (docs/settings/orl_cross_validation.md).
        """
        network, strategy, local = self.reset(), strategy_of(plan), plan.local_training
        steps, (rate_share, _) = local.steps_in(number, plan.rounds), plan.rate_shares(number)
        # A copy lies where torch wants it; a row of W, or bytes off the wire, may not, and its sums could round otherwise.
        own_D = class_embedding_D.clone()
        at_hand = ClientRound(plan, number, network, own_D, self.global_model, guidance)
        pixels_NCHW = network.pixels(images_NCHW)

        def measured(features_ND: Tensor) -> float:
            with torch.no_grad():
                return strategy.loss(at_hand, features_ND).item()

        groups = [{"params": [*network.parameters()], "lr": local.learning_rate * rate_share}]
        own_rate = strategy.class_embedding_rate(plan)
        if own_rate is not None:
            groups.append({"params": [own_D.requires_grad_()], "lr": own_rate * rate_share})
        optimiser = torch.optim.SGD(groups, momentum=local.momentum)
        known_later = self.first_loss_is_before(local, steps, images_NCHW)
        before = None if known_later else measured(features_of_pixels(network, pixels_NCHW))
        latest = torch.tensor(torch.nan)
        network.train(self.normalises_by_batch(local, images_NCHW))
        for batch_NCHW in batches(pixels_NCHW, local, steps, seed):
            optimiser.zero_grad()
            latest = strategy.loss(at_hand, network.embed(batch_NCHW))
            torch.autograd.backward(latest)
            optimiser.step()
            if own_rate is not None:
                own_D.data.copy_(normalize(own_D.data, dim=0))
            before = latest.item() if before is None else before
        assert before is not None
        optimiser.zero_grad()
        own_D.requires_grad_(False)
        seen = local.reports_what_it_sees(steps)
        if seen and not needs_features_after(plan):
            return LocalResult(before, latest.item(), self._state, NOTHING)
        features_ND = features_of_pixels(network, pixels_NCHW)
        after, uploads = latest.item() if seen else measured(features_ND), strategy.uploads(at_hand, features_ND)
        if network.plan.centring and steps:
            network.centre.copy_(mean_feature(features_ND))
        return LocalResult(before, after, self._state, uploads)

    def first_loss_is_before(self, local: LocalTrainingPlan, steps: int, images_NCHW: Tensor) -> bool:
        """Whether the loss before is that of the first step.

        The plan says so, or that step sees all images, as they are, through the very network whose loss is to be measured.
        """
        as_measured = sees_all_as_they_are(local, images_NCHW) and not self.has_batch_norm
        return local.reports_what_it_sees(steps) or (steps > 0 and as_measured)

    def normalises_by_batch(self, local: LocalTrainingPlan, images_NCHW: Tensor) -> bool:
        """Whether steps are in training mode. One image has no variance to normalise by, and takes running statistics."""
        images = len(images_NCHW) if _takes_all(local, images_NCHW) else local.batch_size
        return self.has_batch_norm and images != 1


def needs_features_after(plan: Plan) -> bool:
    """Whether anything but the loss is made of the images' features by the trained network."""
    return plan.model.centring or bool(strategy_of(plan).upload_shapes(plan))


def batches(pixels_NCHW: Tensor, local: LocalTrainingPlan, steps: int, seed: int) -> Iterator[Tensor]:
    """What each step sees: all pixels, or slices of one seeded permutation after another; then augmented."""
    for step, chosen_NCHW in enumerate(_chosen(pixels_NCHW, local, steps, seed)):
        yield augmented(chosen_NCHW, seed, step, flip=local.flip, shift=local.shift)


def sees_all_as_they_are(local: LocalTrainingPlan, images_NCHW: Tensor) -> bool:
    """Whether each step sees all images, and none of them augmented."""
    return _takes_all(local, images_NCHW) and not local.flip and not local.shift


def _takes_all(local: LocalTrainingPlan, images_NCHW: Tensor) -> bool:
    return local.batch_size is None or local.batch_size >= len(images_NCHW)


def _chosen(pixels_NCHW: Tensor, local: LocalTrainingPlan, steps: int, seed: int) -> Iterator[Tensor]:
    if _takes_all(local, pixels_NCHW):
        yield from [pixels_NCHW] * steps
        return
    assert local.batch_size is not None
    draws = generator(seed, "batches")
    waiting_N = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(waiting_N) < local.batch_size:
            waiting_N = torch.cat([waiting_N, torch.randperm(len(pixels_NCHW), generator=draws)])
        yield pixels_NCHW[waiting_N[: local.batch_size]]
        waiting_N = waiting_N[local.batch_size :]
