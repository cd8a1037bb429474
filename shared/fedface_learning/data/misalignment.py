"""Photographs as if nobody had aligned them: each seen through a frame that is shifted, turned and scaled at random.

Shapes: H×W pixels, C channels. Points are (x, y) in pixels, the first pixel's outer corner at (0, 0).
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
    """A similarity transform for each photograph, which follows from the seed and the photograph's name alone.

    ``most`` bounds it: the frame moves by up to ``most`` of its width, across and down; the face becomes up to ``most``
    larger or smaller, and turns by up to ``most`` radians. (0.1: a tenth of the width, a tenth of the size, 5.7 degrees.)
    All four are uniform.
    """

    most: float
    seed: int

    def crop(self, photograph: Image.Image, box: Box, *name: str) -> Image.Image:
        """What ``photograph.crop(box)`` would be of a photograph taken carelessly. Its borders continue beyond its edges."""
        left, top, right, bottom = box
        width, height = right - left, bottom - top
        across, down, size, turn = self._draw(*name)
        # From a point of the result to one of the photograph: turned around the frame's middle, and scaled the other way.
        cosine, sine = math.cos(turn) / (1 + size), math.sin(turn) / (1 + size)
        middle_x, middle_y = (left + right) / 2 - across * width, (top + bottom) / 2 - down * width
        x_from = (cosine, sine, middle_x - (cosine * width + sine * height) / 2)
        y_from = (-sine, cosine, middle_y - (cosine * height - sine * width) / 2)

        corners = [(0, 0), (width, 0), (0, height), (width, height)]
        xs = [x_from[0] * x + x_from[1] * y + x_from[2] for x, y in corners]
        ys = [y_from[0] * x + y_from[1] * y + y_from[2] for x, y in corners]
        outside = max(0.0, -min(xs), -min(ys), max(xs) - photograph.width, max(ys) - photograph.height)
        margin = math.ceil(outside) + 2  # Bicubic interpolation looks two pixels further.
        matrix = (x_from[0], x_from[1], x_from[2] + margin, y_from[0], y_from[1], y_from[2] + margin)
        return _with_margin(photograph, margin).transform(
            (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
        )

    def _draw(self, *name: str) -> tuple[float, float, float, float]:
        uniform_4 = torch.rand(4, dtype=torch.float64, generator=generator(self.seed, "misalignment", *name))
        across, down, size, turn = ((2 * uniform_4 - 1) * self.most).tolist()
        return across, down, size, turn


def _with_margin(photograph: Image.Image, margin: int) -> Image.Image:
    """The photograph, with its outermost pixels repeated outwards."""
    pixels = np.array(photograph)  # (H, W) grey or (H, W, 3)
    return Image.fromarray(np.pad(pixels, [(margin, margin)] * 2 + [(0, 0)] * (pixels.ndim - 2), mode="edge"))
