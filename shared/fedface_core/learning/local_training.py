"""A client's part of a training round: SGD on its own images, from the global model. N images, D dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fedface_core.domain.plan import LocalTrainingPlan
from fedface_core.learning.embedding import mean_feature, raw_features
from fedface_core.learning.losses import positive_squared_hinge
from fedface_core.learning.models import EmbeddingNetwork
from fedface_core.learning.seeding import generator

_BatchNorm = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class LocalLosses:
    """The mean loss over the client's images, in evaluation mode, before and after its steps."""

    before: float
    after: float


def train_locally(
    network: EmbeddingNetwork, images_NCHW: Tensor, class_embedding_D: Tensor, plan: LocalTrainingPlan, seed: int
) -> LocalLosses:
    """Train ``network`` in place, and say what it did to the loss.

    Plain SGD with momentum, which starts at zero each round: the network that comes back is the update. The class
    embedding w_c and the centre are fixed meanwhile. Same inputs, same bits, at one thread count.

    With centring, the centre that comes back is the mean feature of the client's own images by its trained network, a
    statistic that the aggregator averages as it does BatchNorm's. So the centre follows the model. One kept from enrolment
    does not, and the drift that all clients share is then taken for change that tells them apart, and grows from round
    to round (docs/experiments/orl_cross_validation.md).
    """
    # A copy lies where torch wants it; a row of W, or bytes off the wire, may not, and its sums could then round otherwise.
    target_D = class_embedding_D.clone()

    def loss_of(features_ND: Tensor) -> Tensor:
        return positive_squared_hinge(normalize(features_ND - network.centre), target_D, plan.margin)

    has_batch_norm = any(isinstance(module, _BatchNorm) for module in network.modules())
    # Where the first step sees all images through the very network that is measured, its loss is the loss before.
    before = (
        None
        if plan.steps and not has_batch_norm and _takes_all(plan, images_NCHW)
        else loss_of(raw_features(network, images_NCHW)).item()
    )
    optimiser = torch.optim.SGD(network.parameters(), lr=plan.learning_rate, momentum=plan.momentum)
    for batch_NCHW in _batches(images_NCHW, plan, seed):
        # One image has no variance to normalise by, so a network with BatchNorm then keeps to its running statistics.
        network.train(has_batch_norm and len(batch_NCHW) > 1)
        optimiser.zero_grad()
        loss = loss_of(network.features(batch_NCHW))
        torch.autograd.backward(loss)
        optimiser.step()
        before = loss.item() if before is None else before
    assert before is not None
    optimiser.zero_grad()
    features_ND = raw_features(network, images_NCHW)
    after = loss_of(features_ND).item()
    if network.plan.centring and plan.steps:
        network.centre.copy_(mean_feature(features_ND))
    return LocalLosses(before, after)


def _takes_all(plan: LocalTrainingPlan, images_NCHW: Tensor) -> bool:
    return plan.batch_size is None or plan.batch_size >= len(images_NCHW)


def _batches(images_NCHW: Tensor, plan: LocalTrainingPlan, seed: int) -> Iterator[Tensor]:
    """``plan.steps`` batches: all images each time, or slices of one seeded permutation after another."""
    if _takes_all(plan, images_NCHW):
        yield from [images_NCHW] * plan.steps
        return
    assert plan.batch_size is not None
    draws = generator(seed, "batches")
    waiting_N = torch.empty(0, dtype=torch.int64)
    for _ in range(plan.steps):
        if len(waiting_N) < plan.batch_size:
            waiting_N = torch.cat([waiting_N, torch.randperm(len(images_NCHW), generator=draws)])
        yield images_NCHW[waiting_N[: plan.batch_size]]
        waiting_N = waiting_N[plan.batch_size :]
