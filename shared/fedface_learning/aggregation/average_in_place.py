"""The step from a round's exact sum to the next model version, in the network's own memory and block by block.

So it takes no memory for a second model, nor for the server optimiser's moments: the old ones are read a block at a time,
and the next ones are written where the sum's values were. P values of a block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from math import sqrt

import torch
from torch import Tensor

from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.aggregation.server_optimiser import MOMENTS, take_server_step
from fedface_learning.aggregation.server_state import moments_of
from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.strategies import ServerRound, Tensors
from fedface_learning.updates.buffer_ranges import VARIANCE, last_part


def average_in_place(
    before: ServerRound, old: Tensors, changes: ExactSum, images: int, own_weight: int = 0
) -> tuple[dict[str, Tensor], float]:
    """Make the next model version in the network of ``before``, which may share memory with the model ``old``.

    The server optimiser's target is ``old + Σ n_c Δ_c / Σ n_c``; ``changes`` holds ``Σ n_c Δ_c``, and ``images`` is Σ n_c.
    Division by Σ n_c, not by Σ n_c s_c, makes the step of a stale update smaller. If ``own_weight`` is above 0, the present
    model of the network takes part in the mean with this weight. Return the optimiser's next moments, ``kind/parameter`` →
    tensor, and the norm of the model's change. The moments are in the memory of ``changes``, which is no sum afterwards.
    """
    network = before.network
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
            next_moments = _NextMoments(changes.memory(len(old_P), positions[name]))
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
                    stepped_P, of_block = _step(name, average_P, old_P[block], block, before)
                    next_moments.keep(block, of_block)
                new_P[block] = stepped_P
                squares += float((stepped_P.double() - wide_P).square().sum())
            moments |= {f"{kind}/{name}": moment_P.view(old[name].shape) for kind, moment_P in next_moments.whole()}
            if not target.is_contiguous():
                target.copy_(new_P.view(target.shape))
    return moments, sqrt(squares)


class _NextMoments:
    """The next moments of one parameter. They come block by block, and have only the memory of the values of the sum.

    A value of the sum has room for two of moments: the first row of the memory, then the second. The first moment of a block
    fits into what this block and those before it have left. The second one waits until the values that are where it belongs
    have been taken, at most half of them at a time.
    """

    def __init__(self, memory_2P: Tensor) -> None:
        self._rows = dict(zip(MOMENTS, memory_2P, strict=True))
        self._waiting: deque[tuple[slice, Tensor]] = deque()
        self._kinds: list[str] = []

    def keep(self, block: slice, moments: Mapping[str, Tensor]) -> None:
        """Keep the moments of a block, by kind. Its values of the sum, and all before it, have been taken."""
        self._kinds = [*moments]
        for kind, moment_P in moments.items():
            if kind == MOMENTS[0]:
                self._rows[kind][block] = moment_P
            else:
                self._waiting.append((block, moment_P))
        values = len(self._rows[MOMENTS[1]])
        while self._waiting and values + self._waiting[0][0].stop <= 2 * block.stop:
            of_block, moment_P = self._waiting.popleft()
            self._rows[MOMENTS[1]][of_block] = moment_P

    def whole(self) -> Iterator[tuple[str, Tensor]]:
        """Each kind of moment with its values, once all blocks were kept."""
        return ((kind, self._rows[kind]) for kind in self._kinds)


def _step(
    name: str, average_P: Tensor, old_P: Tensor, block: slice, before: ServerRound
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """The server optimiser's step for a block of the parameter ``name``: its next values, and its moments by kind."""
    plan = before.plan
    client_share, share = plan.rate_shares(before.number)
    client_rate = plan.local_training.learning_rate * client_share
    old_moments = {
        f"{kind}/{name}": moment_P.clone()  # the next kind is read into the same memory
        for kind in MOMENTS
        if (moment_P := moments_of(before.moments, kind, name, block.start, len(old_P))) is not None
    }
    optimiser = plan.aggregation.optimiser
    new, moments = take_server_step({name: average_P}, {name: old_P}, [name], optimiser, old_moments, share, client_rate)
    return new[name], {key.partition("/")[0]: moment_P for key, moment_P in moments.items()}
