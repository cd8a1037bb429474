"""A gradient step of K clients that is recorded once, and played back for every step of every group (CUDA graphs).

A step of a small network is some hundred short kernels, and to start them one by one takes longer than they run. What is
recorded reads and writes fixed memory. So it has networks of its own: what a group brings is copied into them, and what it
has trained is copied out. On a CPU there is nothing to gain: a "recording" is computed anew each time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_learning.client.gradient_steps import rates
from fedface_learning.client.local_training import TrainingRound
from fedface_learning.device import recorded
from fedface_learning.gradient_descent import GradientDescent, ParameterGroup

if TYPE_CHECKING:
    from fedface_learning.client.vectorised_training import StackedBatches, VectorisedNetworks

_MOST_RECORDINGS: Final = 4
"""Of a trainer. Each holds the memory of a step; there is one for each number of images, and for each plan."""


class RecordedSteps:
    """The recordings that a trainer keeps for the groups to come, the newest last."""

    def __init__(self) -> None:
        self._kept: list[tuple[object, RecordedStep]] = []

    def __len__(self) -> int:
        """How many there are."""
        return len(self._kept)

    def take(self, networks: VectorisedNetworks, inputs: Iterable[StackedBatches], training: TrainingRound) -> list[Tensor]:
        """Take a step on each of the inputs with these networks; return the losses (K,) before each step."""
        step_losses: list[Tensor] = []
        step: RecordedStep | None = None
        for batches in inputs:
            if step is None:
                step = self._of(networks, batches, training)
                step.begin(networks, training)
            step_losses.append(step.take(batches))
        if step is not None:
            networks.copy_trained_(step.networks)
        return step_losses

    def _of(self, networks: VectorisedNetworks, batches: StackedBatches, training: TrainingRound) -> RecordedStep:
        key = (training.plan, networks.signature, batches.signature)
        for known, step in self._kept:
            if known == key:
                return step
        if len(self._kept) == _MOST_RECORDINGS:
            del self._kept[0]
        made = self._recorded(networks, batches, training)
        if made is None:
            self._kept.clear()  # they have what this one lacks
            made = RecordedStep(networks, batches, training)
        self._kept.append((key, made))
        return made

    def _recorded(
        self, networks: VectorisedNetworks, batches: StackedBatches, training: TrainingRound
    ) -> RecordedStep | None:
        """A recording; None if memory is short and there are others to let go of.

        What the attempt has taken is free again when this returns: an error at hand would hold on to it.
        """
        try:
            return RecordedStep(networks, batches, training)
        except torch.OutOfMemoryError:
            if not self._kept:
                raise
            return None


class RecordedStep:
    """A gradient step on batches of one shape, for networks with one signature."""

    def __init__(self, networks: VectorisedNetworks, batches: StackedBatches, training: TrainingRound) -> None:
        """Record a step as these networks would take it. They are left as they are."""
        self.networks = networks.clone()
        """The networks that learn in the recorded step."""
        self._batches = batches.clone()
        device = self.networks.class_embeddings.device
        self._rates = [torch.tensor(rate, device=device) for rate in rates(training) if rate is not None]
        learnt = [self.networks.parameters]
        if len(self._rates) > 1:
            learnt.append([self.networks.class_embeddings.requires_grad_()])
        groups = [ParameterGroup(parameters, rate) for parameters, rate in zip(learnt, self._rates, strict=True)]
        momentum = training.plan.local_training.momentum
        self._momenta: list[Tensor] = []
        for group in groups if momentum else []:
            of_group = [torch.zeros_like(parameter) for parameter in group.parameters]
            group.momenta = [*of_group]
            self._momenta += of_group
        self._optimiser = GradientDescent(groups, momentum, fused=networks.fused)
        self._learnt = [parameter for parameters in learnt for parameter in parameters]
        self._losses_K = torch.zeros(len(self.networks.class_embeddings), device=device)
        self._play = recorded(self._step, device)

    def begin(self, networks: VectorisedNetworks, training: TrainingRound) -> None:
        """Let the next steps be those of these networks, without momentum, at the rates of the round."""
        self.networks.copy_(networks)
        for momentum in self._momenta:
            momentum.zero_()
        for held, rate in zip(self._rates, (rate for rate in rates(training) if rate is not None), strict=True):
            held.fill_(rate)

    def take(self, batches: StackedBatches) -> Tensor:
        """Take a step on these batches, and return the losses (K,) before it was taken."""
        self._batches.copy_(batches)
        self._play()
        return self._losses_K.clone()

    def _step(self) -> None:
        losses_K = self.networks.losses(self._batches)
        gradients = torch.autograd.grad(losses_K.sum(), self._learnt, allow_unused=True)
        for parameter, gradient in zip(self._learnt, gradients, strict=True):
            parameter.grad = None if gradient is None else _laid_out_like(parameter, gradient)
        self._optimiser.step()
        self._optimiser.zero_grad()
        with torch.no_grad():
            self._losses_K.copy_(losses_K)
            if self.networks.class_embeddings.requires_grad:
                self.networks.class_embeddings.copy_(normalize(self.networks.class_embeddings, dim=-1))


def _laid_out_like(parameter: Tensor, gradient: Tensor) -> Tensor:
    """The gradient in the parameter's order of axes in memory, which fused SGD takes for granted."""
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)
