"""The interface of a data set: identities, and the images of each as uint8 tensors of one size.

Suffixes of tensor names in this package: N images, C channels, H×W pixels.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.plan import ModelPlan


@dataclass(frozen=True)
class ImageSize:
    """The shape of every image of a data set: height and width in pixels, and 1 (grey) or 3 (RGB) channels."""

    height: int
    width: int
    channels: int

    @classmethod
    def of(cls, model: ModelPlan) -> Self:
        """The size of the images that ``model`` takes."""
        return cls(model.height, model.width, model.channels)


class FaceDataset(Protocol):
    """A data set of faces. To open one is cheap: images are read, or rendered, only by `images`."""

    @property
    def name(self) -> str:
        """The data set's name in a plan."""

    @property
    def identities(self) -> tuple[str, ...]:
        """Every identity, in an order that does not change from one opening to the next."""

    def images(self, identity: str) -> Tensor:
        """All images of an identity (N, C, H, W), uint8, with equal values in every call.

        `DataError` if the data set has no such identity, or an image cannot be used.
        """


def composed(name: str) -> str:
    """The name in Unicode's composed form (NFC), in which equal names are equal: macOS writes decomposed letters."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def natural_sort_key(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts names by the values of the numbers in them, so that ``2.jpg`` comes before ``10.jpg``.

    The whole name breaks ties. `DataError` if the name is not in UTF-8: it could be neither hashed nor reported.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"the name {os.fsencode(name)!r} is not in UTF-8: rename the file or folder", DataReason.TREE_UNUSABLE
        ) from None
    parts = [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]
    return [*parts, (2, name)]
