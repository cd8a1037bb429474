"""The check that what a round results in is finite, before anything of it is stored.

A number that is not finite would spread from the aggregator to everybody: JSON does not hold it, no client can train from
it, and no later round gets rid of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError

_MOST_NAMED = 3


def require_finite(numbers: Mapping[str, Tensor | float | None], step: str, remedy: str) -> None:
    """Check tensors and numbers, each with the name by which an operator knows it. None is left out.

    `InvalidInputError` if one is not finite: it names which, the ``step`` of the round that made it, and the ``remedy``.
    """
    broken = [name for name, value in numbers.items() if not _is_finite(value)]
    if broken:
        more = f" and {len(broken) - _MOST_NAMED} more" if len(broken) > _MOST_NAMED else ""
        raise InvalidInputError(f"after {step}, {', '.join(broken[:_MOST_NAMED])}{more} would not be finite; {remedy}")


def _is_finite(value: Tensor | float | None) -> bool:
    if isinstance(value, Tensor):
        # If there is a NaN, it is both the least and the largest. On a CPU this is eight times as fast as `torch.isfinite`.
        return not value.numel() or all(map(math.isfinite, torch.aminmax(value)))
    return value is None or math.isfinite(value)
