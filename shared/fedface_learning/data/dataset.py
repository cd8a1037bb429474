"""What a data set is: identities, and the images of each as uint8 tensors of one size."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan


@dataclass(frozen=True)
class ImageSize:
    """The shape of every image a data set gives: pixels high, pixels wide, 1 (grey) or 3 (RGB) channels."""

    height: int
    width: int
    channels: int

    @classmethod
    def of(cls, model: ModelPlan) -> Self:
        """What the model takes."""
        return cls(model.height, model.width, model.channels)


class FaceDataset(Protocol):
    """Photographs by identity. Opening one is cheap: images are read, or rendered, when asked for."""

    @property
    def name(self) -> str:
        """The data set's name in a plan."""

    @property
    def identities(self) -> tuple[str, ...]:
        """Every identity, in an order that does not change from one opening to the next."""

    def images(self, identity: str) -> Tensor:
        """All images of an identity, uint8 (n, C, H, W), the same at every call. `InvalidInputError` for an unknown one."""


def natural_sort_key(name: str) -> list[tuple[int, int | str]]:
    """Sorts numbers within names by value, so that ``2.jpg`` comes before ``10.jpg``; the full name settles ties.

    `InvalidInputError` for a name that is no text: neither hashed nor reported could it be.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"the name {os.fsencode(name)!r} is not in UTF-8: rename the file or folder") from None
    parts = [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]
    return [*parts, (2, name)]
