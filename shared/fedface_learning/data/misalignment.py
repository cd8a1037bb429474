"""Misalignment: photographs as if nobody had aligned them, each cropped by a frame that is shifted, turned and scaled at
random.

Points are (x, y) in pixels; (0, 0) is the outer corner of the first pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from fedface_learning.seeding import generator

Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True)
class Misalignment:
    """A random similarity transform for each photograph; it follows from the seed and the photograph's name alone.

    Four numbers are uniform between −``bound`` and ``bound``: how far the face moves across and down, in widths of the
    frame; the share by which it grows; and the angle by which it turns, in radians. (0.1 radians are 5.7 degrees.)
    """

    bound: float
    seed: int

    def crop(self, photograph: Image.Image, box: Box, *name: str) -> Image.Image:
        """The crop of ``photograph`` by the misaligned ``box``, of the box's size; ``name`` is that of the photograph.

        The photograph's outermost pixels are repeated beyond its edges.
        """
        left, top, right, bottom = box
        width = right - left
        height = bottom - top
        across, down, growth, turn = self._draw(*name)
        # The map from a point of the crop to one of the photograph turns around the frame's middle, and scales inversely.
        cosine = math.cos(turn) / (1 + growth)
        sine = math.sin(turn) / (1 + growth)
        middle_x = (left + right) / 2 - across * width
        middle_y = (top + bottom) / 2 - down * width
        x_row = (cosine, sine, middle_x - (cosine * width + sine * height) / 2)
        y_row = (-sine, cosine, middle_y - (cosine * height - sine * width) / 2)

        corners = [(0, 0), (width, 0), (0, height), (width, height)]
        xs = [x_row[0] * x + x_row[1] * y + x_row[2] for x, y in corners]
        ys = [y_row[0] * x + y_row[1] * y + y_row[2] for x, y in corners]
        outside = max(0.0, -min(xs), -min(ys), max(xs) - photograph.width, max(ys) - photograph.height)
        margin = math.ceil(outside) + 2  # Bicubic interpolation reads two pixels more on each side.
        matrix = (x_row[0], x_row[1], x_row[2] + margin, y_row[0], y_row[1], y_row[2] + margin)
        return _with_margin(photograph, margin).transform(
            (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
        )

    def _draw(self, *name: str) -> tuple[float, float, float, float]:
        uniform_4 = torch.rand(4, dtype=torch.float64, generator=generator(self.seed, "misalignment", *name))
        across, down, growth, turn = ((2 * uniform_4 - 1) * self.bound).tolist()
        return across, down, growth, turn


def _with_margin(photograph: Image.Image, margin: int) -> Image.Image:
    """The photograph with a margin of so many pixels on each side, which repeats its outermost pixels."""
    pixels = np.array(photograph)  # (H, W) grey or (H, W, 3)
    return Image.fromarray(np.pad(pixels, [(margin, margin)] * 2 + [(0, 0)] * (pixels.ndim - 2), mode="edge"))
