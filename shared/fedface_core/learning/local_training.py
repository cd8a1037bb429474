"""A client's part of a training round: SGD on its own images, from the global model. N images, D dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fedface_core.domain.local_training_plan import LocalTrainingPlan
from fedface_core.domain.plan import Plan
from fedface_core.learning.augmentation import augmented
from fedface_core.learning.embedding import mean_feature, raw_features
from fedface_core.learning.models import EmbeddingNetwork
from fedface_core.learning.seeding import generator
from fedface_core.learning.strategies import NOTHING, ClientRound, Tensors, strategy_of
from fedface_core.learning.weights import network_tensors

_BatchNorm = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class LocalResult:
    """The mean loss over the client's images, in evaluation mode, before and after its steps; what else it uploads."""

    before: float
    after: float
    uploads: Tensors


def train_locally(
    network: EmbeddingNetwork,
    images_NCHW: Tensor,
    class_embedding_D: Tensor,
    plan: Plan,
    number: int,
    seed: int,
    guidance: Tensors = NOTHING,
) -> LocalResult:
    """Train ``network`` in place for round ``number``, and say what it did to the loss.

    Plain SGD with momentum, which starts at zero each round: the network that comes back is the update. What is minimised,
    and whether the class embedding w_c is learnt or fixed, is the strategy's to say. The centre is fixed meanwhile. Same
    inputs, same bits, at one thread count.

    With centring, the centre that comes back is the mean feature of the client's own images by its trained network, a
    statistic that the aggregator averages as it does BatchNorm's. So the centre follows the model. One kept from enrolment
    does not, and the drift that all clients share is then taken for change that tells them apart, and grows from round
    to round (docs/experiments/orl_cross_validation.md).
    """
    strategy, local = strategy_of(plan), plan.local_training
    steps, (rate_share, _) = local.steps_in(number, plan.rounds), plan.rate_shares(number)
    # A copy lies where torch wants it; a row of W, or bytes off the wire, may not, and its sums could then round otherwise.
    own_D = class_embedding_D.clone()
    started_from = {name: tensor.clone() for name, tensor in network_tensors(network).items()}
    at_hand = ClientRound(plan, number, network, own_D, started_from, guidance)

    def measured(features_ND: Tensor) -> float:
        with torch.no_grad():
            return strategy.loss(at_hand, images_NCHW, features_ND).item()

    has_batch_norm = any(isinstance(module, _BatchNorm) for module in network.modules())
    as_they_are = _takes_all(local, images_NCHW) and not local.flip and not local.shift
    # Where the first step sees all images through the very network that is measured, its loss is the loss before.
    before = None if steps and not has_batch_norm and as_they_are else measured(raw_features(network, images_NCHW))
    groups = [{"params": [*network.parameters()], "lr": local.learning_rate * rate_share}]
    own_rate = strategy.class_embedding_rate(plan)
    if own_rate is not None:
        groups.append({"params": [own_D.requires_grad_()], "lr": own_rate * rate_share})
    optimiser = torch.optim.SGD(groups, momentum=local.momentum)
    for step, chosen_NCHW in enumerate(_batches(images_NCHW, local, steps, seed)):
        batch_NCHW = augmented(chosen_NCHW, seed, step, flip=local.flip, shift=local.shift)
        # One image has no variance to normalise by, so a network with BatchNorm then keeps to its running statistics.
        network.train(has_batch_norm and len(batch_NCHW) > 1)
        optimiser.zero_grad()
        loss = strategy.loss(at_hand, batch_NCHW, network.features(batch_NCHW))
        torch.autograd.backward(loss)
        optimiser.step()
        if own_rate is not None:
            own_D.data.copy_(normalize(own_D.data, dim=0))
        before = loss.item() if before is None else before
    assert before is not None
    optimiser.zero_grad()
    own_D.requires_grad_(False)
    features_ND = raw_features(network, images_NCHW)
    result = LocalResult(before, measured(features_ND), strategy.uploads(at_hand, features_ND))
    if network.plan.centring and steps:
        network.centre.copy_(mean_feature(features_ND))
    return result


def _takes_all(plan: LocalTrainingPlan, images_NCHW: Tensor) -> bool:
    return plan.batch_size is None or plan.batch_size >= len(images_NCHW)


def _batches(images_NCHW: Tensor, plan: LocalTrainingPlan, steps: int, seed: int) -> Iterator[Tensor]:
    """So many batches: all images each time, or slices of one seeded permutation after another."""
    if _takes_all(plan, images_NCHW):
        yield from [images_NCHW] * steps
        return
    assert plan.batch_size is not None
    draws = generator(seed, "batches")
    waiting_N = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(waiting_N) < plan.batch_size:
            waiting_N = torch.cat([waiting_N, torch.randperm(len(images_NCHW), generator=draws)])
        yield images_NCHW[waiting_N[: plan.batch_size]]
        waiting_N = waiting_N[plan.batch_size :]
