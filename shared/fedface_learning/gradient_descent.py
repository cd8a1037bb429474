"""SGD with momentum, by the function below `torch.optim.SGD`.

The class `torch.optim.SGD` loads torch's compiler when it is first used: three seconds of CPU and a hundred megabytes in
each process that trains. The function does equal arithmetic, to the bit, and loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.optim.sgd import sgd


@dataclass
class ParameterGroup:
    """Parameters that are trained at one learning rate."""

    parameters: Sequence[Tensor]
    learning_rate: float | Tensor
    """A tensor without axes on the parameters' device, if the rate is to change in a step that was recorded."""
    momenta: list[Tensor | None] = field(init=False)
    """One for each parameter; None before its first step."""

    def __post_init__(self) -> None:
        """Begin without momentum."""
        self.momenta = [None] * len(self.parameters)


class GradientDescent:
    """Plain SGD with a momentum that starts at zero: ``v ← momentum · v + gradient``, ``p ← p − rate · v``.

    ``fused`` chooses torch's fused operation, which rounds in another order.
    """

    def __init__(self, groups: Sequence[ParameterGroup], momentum: float, *, fused: bool) -> None:
        self._groups = groups
        self._momentum = momentum
        self._fused = fused

    def zero_grad(self) -> None:
        """Drop the gradients of all parameters."""
        for group in self._groups:
            for parameter in group.parameters:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take one step with the gradients that the parameters have. A parameter without a gradient stays as it is."""
        for group in self._groups:
            places = [place for place, parameter in enumerate(group.parameters) if parameter.grad is not None]
            if not places:
                continue
            gradients = [group.parameters[place].grad for place in places]
            momenta = [group.momenta[place] for place in places]
            sgd(
                [group.parameters[place] for place in places],
                [gradient for gradient in gradients if gradient is not None],
                momenta,
                fused=self._fused,
                lr=group.learning_rate,  # type: ignore[arg-type]
                momentum=self._momentum,
                weight_decay=0.0,
                dampening=0.0,
                nesterov=False,
                maximize=False,
            )
            for place, buffer in zip(places, momenta, strict=True):
                group.momenta[place] = buffer
