"""What the aggregator does with the average: take it, or step towards it by an optimiser (Reddi et al., ICLR 2021).

``Δ = average − f`` stands for the gradient (with its sign turned). Its moments are the optimiser's state, float32, from one
round to the next. Buffers (BatchNorm's statistics, the centre) are no parameters: they are averaged, whatever the optimiser.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from fedface_core.domain.plan.aggregation import AdaptivePlan, AveragePlan, MomentumPlan, OptimiserPlan
from fedface_learning.strategies import Tensors

_KINDS = ("first", "second")


def towards(
    average: Tensors, old: Tensors, parameters: Collection[str], plan: OptimiserPlan, state: Tensors, rate_share: float = 1.0
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The next model and the optimiser's next state. ``parameters`` names those tensors of the model that it steps, at
    ``rate_share`` of the plan's learning rate.

    Element by element in float64, so the result does not depend on who computes it.
    """
    if isinstance(plan, AveragePlan):
        return dict(average), {}
    new = dict(average)
    moments: dict[str, Tensor] = {}
    for name in parameters:
        change = average[name].double() - old[name].double()
        so_far = {kind: state[f"{kind}/{name}"] for kind in _KINDS if f"{kind}/{name}" in state}
        step, of_name = _step(change, plan, so_far)
        new[name] = (old[name].double() + plan.learning_rate * rate_share * step).to(old[name].dtype)
        moments |= {f"{kind}/{name}": moment.float() for kind, moment in of_name.items()}
    return new, moments


def _step(change: Tensor, plan: MomentumPlan | AdaptivePlan, moments: Tensors) -> tuple[Tensor, dict[str, Tensor]]:
    """The step at rate 1, and the moments after it. ``moments`` is empty in the first round."""
    first = moments["first"].double() if moments else torch.zeros_like(change)
    if isinstance(plan, MomentumPlan):
        first = plan.momentum * first + change
        return first, {"first": first}
    # The paper begins with v ≥ τ², not with 0.
    second = moments["second"].double() if moments else torch.full_like(change, plan.epsilon**2)
    first = plan.beta1 * first + (1 - plan.beta1) * change
    square = change.square()
    if plan.name == "yogi":
        second = second - (1 - plan.beta2) * square * torch.sign(second - square)
    else:
        second = plan.beta2 * second + (1 - plan.beta2) * square
    return first / (second.sqrt() + plan.epsilon), {"first": first, "second": second}
