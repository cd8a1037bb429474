"""Tensors by name, as a part of a file of weights holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from fedface_core.domain.errors import InvalidInputError

MOST_TENSORS: Final = 20_000
"""ResNet-100 has a thousand, and its optimiser's state three times as many."""

LONGEST_NAME: Final = 1000
"""Characters of a tensor's name."""


@dataclass(frozen=True)
class TensorSet:
    """Tensors by name, from one place of a file."""

    place: str
    """Where in the file they lie, such as ``state_dict``; empty if the file holds nothing else."""
    tensors: Mapping[str, Tensor]
    scaling: tuple[float, float] | None = None
    """Mean and scale that the file itself applies to pixels from 0 to 255, as some graphs do; None if it says nothing."""

    def __post_init__(self) -> None:
        """`InvalidInputError` if these are more tensors, or longer names, than a network has."""
        if len(self.tensors) > MOST_TENSORS:
            raise InvalidInputError(f"it holds {len(self.tensors):,} tensors; a network has {MOST_TENSORS:,} at most")
        longest = max(map(len, self.tensors), default=0)
        if longest > LONGEST_NAME:
            raise InvalidInputError(f"a tensor's name has {longest:,} characters; {LONGEST_NAME:,} are allowed")
