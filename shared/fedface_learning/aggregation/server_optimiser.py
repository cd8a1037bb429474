"""The server optimiser: the step from the old model to the next one, given the clients' average (Reddi et al., ICLR 2021).

``Δ = average − f`` takes the place of the negative gradient; SGD divides it by the clients' learning rate r, so that with
one local step ``−Δ/r`` is the gradient itself. The optimiser's state are the moments of Δ, float32, which are kept from
round to round. Buffers (BatchNorm's statistics, the centre) are no parameters: they take the average with every optimiser.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.plan.aggregation import AdaptivePlan, AveragePlan, MomentumPlan, OptimiserPlan, SgdPlan
from fedface_learning.strategies import Tensors

MOMENTS: Final = ("first", "second")
"""The kinds of moments. An optimiser has none, the first, or both."""


def take_server_step(
    average: Tensors,
    old: Tensors,
    parameters: Collection[str],
    plan: OptimiserPlan,
    state: Tensors,
    rate_share: float = 1.0,
    client_rate: float = 1.0,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Step from the model ``old`` towards ``average``; return the next model and the optimiser's next state, both by name.

    ``parameters`` names the tensors of the model that the optimiser changes, at ``rate_share`` of the plan's learning rate.
    ``client_rate`` is the learning rate at which the round's clients trained; only SGD looks at it.
    Steps are computed element by element in float64, so every process gets equal bits.
    """
    if isinstance(plan, AveragePlan):
        return dict(average), {}
    new = dict(average)
    moments: dict[str, Tensor] = {}
    for name in parameters:
        old_parameter = old[name].double()
        change = average[name].double() - old_parameter
        if isinstance(plan, SgdPlan):
            change = change / client_rate - plan.weight_decay * old_parameter
        old_moments = {kind: state[f"{kind}/{name}"] for kind in MOMENTS if f"{kind}/{name}" in state}
        step, new_moments = _step(change, plan, old_moments)
        new[name] = (old_parameter + plan.learning_rate * rate_share * step).to(old[name].dtype)
        moments |= {f"{kind}/{name}": moment.float() for kind, moment in new_moments.items()}
    return new, moments


def _step(change: Tensor, plan: MomentumPlan | SgdPlan | AdaptivePlan, moments: Tensors) -> tuple[Tensor, dict[str, Tensor]]:
    """The step at learning rate 1, and the moments after it. ``moments`` is empty in the first round."""
    first = moments["first"].double() if moments else torch.zeros_like(change)
    if isinstance(plan, MomentumPlan | SgdPlan):
        first = plan.momentum * first + change
        return first, {"first": first}
    # Reddi et al. start with v ≥ τ², not with 0.
    second = moments["second"].double() if moments else torch.full_like(change, plan.epsilon**2)
    first = plan.beta1 * first + (1 - plan.beta1) * change
    square = change.square()
    if plan.name == "yogi":
        second = second - (1 - plan.beta2) * square * torch.sign(second - square)
    else:
        second = plan.beta2 * second + (1 - plan.beta2) * square
    return first / (second.sqrt() + plan.epsilon), {"first": first, "second": second}
