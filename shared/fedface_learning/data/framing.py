"""Framing: a photograph of any size becomes an image of the model's size, as a tensor.

Suffixes of tensor and array names: C channels, H×W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.plan import DataPlan
from fedface_learning.data.dataset import ImageSize
from fedface_learning.data.misalignment import Box, Misalignment


@dataclass(frozen=True)
class Framing:
    """How photographs become images of one size: crop to its aspect ratio, then resize."""

    size: ImageSize
    top_share: float = 0.5
    """Of the rows that the crop removes, the share that it removes at the top; 0.5 keeps the middle."""
    low_resolution: int | None = None
    """If set, the crop is first reduced to so many pixels in height, as a distant camera would see it."""
    misalignment: Misalignment | None = None
    """If set, the crop is moved, turned and scaled at random."""

    @classmethod
    def of(cls, data: DataPlan, size: ImageSize, top_share: float = 0.5) -> Self:
        """The framing that ``data`` asks for. `DataError` if its low resolution is not below the images' height."""
        misalignment = None if data.misalignment is None else Misalignment(data.misalignment, data.seed)
        return cls(size, top_share, data.low_resolution, misalignment)

    def __post_init__(self) -> None:
        """Check the low resolution. `DataError` if it is not below the height of the images."""
        if self.low_resolution is not None and self.low_resolution >= self.size.height:
            raise DataError(
                reason=DataReason.RESOLUTION_TOO_HIGH, low_resolution=self.low_resolution, height=self.size.height
            )

    def frame(self, photograph: Image.Image, *name: str) -> Tensor:
        """An upright photograph as an image (C, H, W), uint8. Its ``name`` (identity, image) seeds the misalignment."""
        image = photograph.convert("L" if self.size.channels == 1 else "RGB")
        box = self._crop_box(image.width, image.height)
        return to_tensor(self.resize(self.misalignment.crop(image, box, *name) if self.misalignment else image.crop(box)))

    def resize(self, image: Image.Image) -> Image.Image:
        """Resize an image by bicubic interpolation with antialiasing, first to the low resolution if one is set."""
        height = self.size.height
        width = self.size.width
        if self.low_resolution is not None:
            low_width = max(1, round(self.low_resolution * width / height))
            image = image.resize((low_width, self.low_resolution), Image.Resampling.BICUBIC)
        return image.resize((width, height), Image.Resampling.BICUBIC)

    def _crop_box(self, width: int, height: int) -> Box:
        """The largest box in a photograph of this size that has the aspect ratio of the images."""
        kept_height = min(height, max(1, round(width * self.size.height / self.size.width)))
        kept_width = min(width, max(1, round(height * self.size.width / self.size.height)))
        top = round((height - kept_height) * self.top_share)
        left = (width - kept_width) // 2
        return left, top, left + kept_width, top + kept_height


def to_tensor(image: Image.Image) -> Tensor:
    """A grey or RGB image of Pillow as a tensor (C, H, W), uint8."""
    pixels_HWC = np.array(image).reshape(image.height, image.width, -1)
    return torch.from_numpy(np.ascontiguousarray(pixels_HWC.transpose(2, 0, 1)))


def to_image(pixels_CHW: Tensor) -> Image.Image:
    """A tensor (C, H, W), uint8, with 1 or 3 channels as a grey or RGB image of Pillow."""
    pixels_HWC = pixels_CHW.permute(1, 2, 0).numpy()
    return Image.fromarray(pixels_HWC[:, :, 0] if pixels_HWC.shape[2] == 1 else pixels_HWC)
