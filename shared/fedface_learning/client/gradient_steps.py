"""The gradient steps of a local training: SGD with momentum, which starts at zero in each round.

K clients train at once, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_learning.client.local_training import StackedT, TraineeNetworks, TrainingRound
from fedface_learning.gradient_descent import GradientDescent, ParameterGroup
from fedface_learning.strategies import strategy_of


def take_steps(networks: TraineeNetworks[StackedT], inputs: Iterable[StackedT], training: TrainingRound) -> list[Tensor]:
    """Take a gradient step on each of the stacked batches, and return the losses (K,) before each step."""
    rate, class_embedding_rate = rates(training)
    groups = [ParameterGroup(networks.parameters, rate)]
    if class_embedding_rate is not None:
        groups.append(ParameterGroup([networks.class_embeddings.requires_grad_()], class_embedding_rate))
    optimiser = GradientDescent(groups, training.plan.local_training.momentum, fused=networks.fused)
    step_losses: list[Tensor] = []
    for stacked in inputs:
        optimiser.zero_grad()
        losses_K = networks.losses(stacked)
        torch.autograd.backward(losses_K.sum())
        optimiser.step()
        if class_embedding_rate is not None:
            networks.class_embeddings.data.copy_(normalize(networks.class_embeddings.data, dim=-1))
        step_losses.append(losses_K.detach())
    optimiser.zero_grad()
    networks.class_embeddings.requires_grad_(False)
    return step_losses


def rates(training: TrainingRound) -> tuple[float, float | None]:
    """The learning rates of networks and of class embeddings in a round; None if clients do not learn the latter."""
    plan = training.plan
    rate_share, _ = plan.rate_shares(training.number)
    class_embedding_rate = strategy_of(plan).class_embedding_rate(plan)
    return (
        plan.local_training.learning_rate * rate_share,
        None if class_embedding_rate is None else class_embedding_rate * rate_share,
    )
