"""From a photograph of any size to the model's: crop to the aspect ratio, resize, grey or RGB, as a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data.dataset import ImageSize
from fedface_learning.data.misalignment import Box, Misalignment


@dataclass(frozen=True)
class Framing:
    """How photographs become images of one size.

    ``rows_above`` is the share of the rows to lose that is cut from the top (0.5 centres). ``low_resolution`` first reduces
    the crop to that many pixels in height, as a distant camera would. ``misalignment`` moves the crop.
    """

    size: ImageSize
    rows_above: float = 0.5
    low_resolution: int | None = None
    misalignment: Misalignment | None = None

    @classmethod
    def of(cls, data: DataPlan, size: ImageSize, rows_above: float = 0.5) -> Self:
        """What a plan asks for."""
        misalignment = None if data.misalignment is None else Misalignment(data.misalignment, data.seed)
        return cls(size, rows_above, data.low_resolution, misalignment)

    def __post_init__(self) -> None:
        """Refuse a low resolution that is none."""
        if self.low_resolution is not None and self.low_resolution >= self.size.height:
            raise InvalidInputError(
                f"low_resolution is {self.low_resolution}, but it must be below the height of the model's images, "
                f"{self.size.height}: it says how few rows are left of them"
            )

    def frame(self, photograph: Image.Image, *name: str) -> Tensor:
        """One photograph, upright, as uint8 (C, H, W). Its ``name`` (identity, image) is what misalignment follows from."""
        image = photograph.convert("L" if self.size.channels == 1 else "RGB")
        box = self._crop_box(image.width, image.height)
        return to_tensor(self.resize(self.misalignment.crop(image, box, *name) if self.misalignment else image.crop(box)))

    def resize(self, image: Image.Image) -> Image.Image:
        """Bicubic, with antialiasing where it reduces; by way of the low resolution, where there is one."""
        height, width = self.size.height, self.size.width
        if self.low_resolution is not None:
            low_width = max(1, round(self.low_resolution * width / height))
            image = image.resize((low_width, self.low_resolution), Image.Resampling.BICUBIC)
        return image.resize((width, height), Image.Resampling.BICUBIC)

    def _crop_box(self, width: int, height: int) -> Box:
        """The largest part with the target's aspect ratio."""
        kept_height = min(height, max(1, round(width * self.size.height / self.size.width)))
        kept_width = min(width, max(1, round(height * self.size.width / self.size.height)))
        top = round((height - kept_height) * self.rows_above)
        left = (width - kept_width) // 2
        return left, top, left + kept_width, top + kept_height


def to_tensor(image: Image.Image) -> Tensor:
    """A grey or RGB image as uint8 (C, H, W)."""
    pixels_HWC = np.array(image).reshape(image.height, image.width, -1)
    return torch.from_numpy(np.ascontiguousarray(pixels_HWC.transpose(2, 0, 1)))


def to_image(pixels_CHW: Tensor) -> Image.Image:
    """The inverse of `to_tensor`."""
    pixels_HWC = pixels_CHW.permute(1, 2, 0).numpy()
    return Image.fromarray(pixels_HWC[:, :, 0] if pixels_HWC.shape[2] == 1 else pixels_HWC)
