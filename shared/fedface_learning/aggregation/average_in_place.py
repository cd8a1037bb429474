"""The step from a round's exact sum to the next model version, in the network's own memory and block by block.

So it takes no memory for a second model. P values of a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import torch
from torch import Tensor

from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.aggregation.server_optimiser import take_server_step
from fedface_learning.aggregation.server_state import OPTIMISER, select_state
from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.strategies import ServerRound, Tensors
from fedface_learning.updates.buffer_ranges import VARIANCE, last_part


def average_in_place(
    before: ServerRound, old: Tensors, changes: ExactSum, images: int, own_weight: int = 0
) -> tuple[dict[str, Tensor], float]:
    """Make the next model version in the network of ``before``, which may share memory with the model ``old``.

    The server optimiser's target is ``old + Σ n_c Δ_c / Σ n_c``; ``changes`` holds ``Σ n_c Δ_c``, and ``images`` is Σ n_c.
    Division by Σ n_c, not by Σ n_c s_c, makes the step of a stale update smaller. If ``own_weight`` is above 0, the present
    model of the network takes part in the mean with this weight. Return the optimiser's next moments, by name, and the norm
    of the model's change.
    """
    network = before.network
    state = select_state(before.state, OPTIMISER)
    positions = sum_positions(old)
    assert changes.length == sum(old[name].numel() for name in positions), "all models of a round have the same tensors"
    parameters = {name for name, _ in network.named_parameters()}
    counters = changes.counters()
    moments: dict[str, Tensor] = {}
    squares = 0.0
    with torch.no_grad():
        for name, target in network.state_dict().items():
            if name not in positions:
                target.copy_(torch.maximum(old[name], counters[name]))
                continue
            old_P = old[name].reshape(-1)
            own_P = target.reshape(-1)
            new_P = target.view(-1) if target.is_contiguous() else torch.empty_like(old_P)
            for offset, summed_P in changes.blocks(len(old_P), positions[name]):
                block = slice(offset, offset + len(summed_P))
                wide_P = old_P[block].double()
                if own_weight:
                    summed_P += own_weight * (own_P[block].double() - wide_P)
                average_P = (wide_P + summed_P / (images + own_weight)).to(old_P.dtype)
                if last_part(name) == VARIANCE:
                    average_P.clamp_min_(0)  # a change from an older model can be larger than what is left of a variance
                stepped_P = average_P
                if name in parameters:
                    stepped_P, new_moments = _step(name, average_P, old_P[block], block, before, state)
                    for key, moment_P in new_moments.items():
                        moments.setdefault(key, torch.empty(old[name].shape)).view(-1)[block] = moment_P
                new_P[block] = stepped_P
                squares += float((stepped_P.double() - wide_P).square().sum())
            if not target.is_contiguous():
                target.copy_(new_P.view(target.shape))
    return moments, sqrt(squares)


def _step(
    name: str, average_P: Tensor, old_P: Tensor, block: slice, before: ServerRound, state: Tensors
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """The server optimiser's step for a block of the parameter ``name``: its next values, and the block of each moment."""
    plan = before.plan
    client_share, share = plan.rate_shares(before.number)
    client_rate = plan.local_training.learning_rate * client_share
    of_block = {key: moment.reshape(-1)[block] for key, moment in state.items() if key.partition("/")[2] == name}
    optimiser = plan.aggregation.optimiser
    new, moments = take_server_step({name: average_P}, {name: old_P}, [name], optimiser, of_block, share, client_rate)
    return new[name], moments
