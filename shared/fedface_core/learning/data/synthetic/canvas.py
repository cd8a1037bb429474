"""The picture being painted, and where on the face each of its pixels lies.

Pixels see only + − × ÷, square roots, minima and maxima, which every processor rounds alike: an image has the same bytes on
every machine, whatever else is rendered. Shapes: H rows, W columns, h and w those of a part, C colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedface_core.learning.data.dataset import ImageSize
from fedface_core.learning.data.synthetic.draws import Colour
from fedface_core.learning.data.synthetic.nuisance import Nuisance

Plane = NDArray[np.floating[Any]]  # float32 throughout: Python's numbers do not widen it

_HALF_HEIGHT = 1.22  # The picture shows this much above and below the middle of the face.
_BULGE_WIDTH, _BULGE_HEIGHT = 0.86, 1.12  # where the head's bulge, by which points move as it turns, has sunk to 0


class Surface:
    """The colour of each pixel's surface and the light on it, with its face coordinates. All planes are contiguous."""

    def __init__(self, u_hw: Plane, v_hw: Plane, colour_Chw: Plane, light_hw: Plane, pixel: float) -> None:
        self.u_hw, self.v_hw = u_hw, v_hw
        self.colour_Chw, self.light_hw = colour_Chw, light_hw
        self.pixel = pixel
        """The length of a pixel's side, in face units."""

    def edge(self, depth_hw: Plane) -> Plane:
        """How much of each pixel lies inside an outline, 0…1, from its depth within it in face units."""
        cover_hw = depth_hw * (1.0 / self.pixel)
        cover_hw += 0.5
        return np.clip(cover_hw, 0.0, 1.0, out=cover_hw)

    def ellipse(self, u_hw: Plane, v_hw: Plane, across: float, down: float) -> Plane:
        """The cover of an ellipse around (0, 0) of the given coordinates."""
        # First-order distance: exact at the ends of the shorter axis, and close enough elsewhere.
        inside_hw = 1.0 - (u_hw * (1.0 / across)) ** 2 - (v_hw * (1.0 / down)) ** 2
        return self.edge(inside_hw * (0.5 * min(across, down)))

    def paint(self, cover_hw: Plane, colour: Colour) -> None:
        """Lay a colour over the surface, as far as each pixel is covered."""
        change_Chw = np.array(colour, np.float32)[:, None, None] - self.colour_Chw
        change_Chw *= cover_hw
        self.colour_Chw += change_Chw

    def light(self, cover_hw: Plane, light_hw: Plane | float) -> None:
        """Replace the light, as far as each pixel is covered."""
        change_hw = light_hw - self.light_hw
        change_hw *= cover_hw
        self.light_hw += change_hw

    def shade(self, strength: float, cover_hw: Plane) -> None:
        """Take this share of the light, as far as each pixel is covered; brighten where it is negative."""
        self.light_hw *= 1.0 - cover_hw * strength


class Canvas(Surface):
    """The whole picture, in one pose.

    A pixel at (x, y) of the upright picture shows the point (u, v) of the face seen from the front. Turning moves points in
    proportion to how far they bulge towards the camera, so that the outline stays and the far cheek is foreshortened.
    """

    def __init__(self, size: ImageSize, pose: Nuisance) -> None:
        self._pose = pose
        self._height, self._width = size.height, size.width
        pixel = 2.0 * _HALF_HEIGHT / (size.height * pose.scale)
        # Half-angle formulae: cosine and sine without a library's approximation.
        half = pose.roll
        self._cosine, self._sine = (1.0 - half * half) / (1.0 + half * half), 2.0 * half / (1.0 + half * half)
        across_W = (np.arange(size.width, dtype=np.float32) - (size.width - 1) / 2) * pixel - pose.shift_x / pose.scale
        down_H = (np.arange(size.height, dtype=np.float32) - (size.height - 1) / 2) * pixel - pose.shift_y / pose.scale
        self.x_hw: Plane = across_W * self._cosine + (down_H * self._sine)[:, None]
        self.y_hw: Plane = (down_H * self._cosine)[:, None] - across_W * self._sine
        bulge_hw = np.maximum(1.0 - (self.x_hw * (1 / _BULGE_WIDTH)) ** 2 - (self.y_hw * (1 / _BULGE_HEIGHT)) ** 2, 0.0)
        super().__init__(
            u_hw=self.x_hw - bulge_hw * (pose.turn * _BULGE_WIDTH),
            v_hw=self.y_hw - bulge_hw * (pose.nod * _BULGE_HEIGHT),
            colour_Chw=np.zeros((3, size.height, size.width), np.float32),
            light_hw=np.ones((size.height, size.width), np.float32),
            pixel=pixel,
        )

    @contextmanager
    def part(self, u: float, v: float, across: float, down: float) -> Iterator[Surface]:
        """Paint only where the box of half-sizes ``across`` and ``down`` around the face point (u, v) may be seen."""
        rows, columns = place = self.window(u, v, across, down)
        planes = (self.u_hw[place].copy(), self.v_hw[place].copy(), self.colour_Chw[:, rows, columns].copy())
        surface = Surface(*planes, self.light_hw[place].copy(), self.pixel)
        yield surface
        self.colour_Chw[:, rows, columns] = surface.colour_Chw
        self.light_hw[place] = surface.light_hw

    def window(self, u: float, v: float, across: float, down: float) -> tuple[slice, slice]:
        """The rows and columns that may show the box of half-sizes ``across`` and ``down`` around the face point (u, v)."""
        x, y, bulge = u, v, 0.0
        for _ in range(3):  # the inverse of the bulge, by fixed-point iteration
            bulge = max(0.0, 1.0 - (x / _BULGE_WIDTH) ** 2 - (y / _BULGE_HEIGHT) ** 2)
            x, y = u + bulge * self._pose.turn * _BULGE_WIDTH, v + bulge * self._pose.nod * _BULGE_HEIGHT
        # Where it is not foreshortened but stretched, the box shows larger than it is.
        across, down = (1.0 + abs(self._pose.turn)) * across + 0.03, (1.0 + abs(self._pose.nod)) * down + 0.03
        row = self._pose.shift_y / self._pose.scale + x * self._sine + y * self._cosine
        column = self._pose.shift_x / self._pose.scale + x * self._cosine - y * self._sine
        return (
            self._span(self._height, row, across * abs(self._sine) + down * self._cosine),
            self._span(self._width, column, across * self._cosine + down * abs(self._sine)),
        )

    def _span(self, length: int, middle: float, half: float) -> slice:
        first = (middle - half) / self.pixel + length / 2
        last = (middle + half) / self.pixel + length / 2
        start = min(max(0, int(first)), length)
        return slice(start, min(max(start, int(last) + 2), length))


def bump(u_hw: Plane, v_hw: Plane, across: float, down: float) -> Plane:
    """1 at (0, 0), falling smoothly to 0 at the ellipse of these half-axes."""
    inside_hw = bowl(u_hw, v_hw, across, down)
    inside_hw *= inside_hw
    return inside_hw


def bowl(u_hw: Plane, v_hw: Plane, across: float, down: float) -> Plane:
    """A paraboloid: 1 at (0, 0), falling to 0 at the ellipse of these half-axes, with an edge there."""
    inside_hw: Plane = u_hw * (1.0 / across)
    inside_hw *= inside_hw
    down_hw = v_hw * (1.0 / down)
    down_hw *= down_hw
    inside_hw += down_hw
    np.subtract(1.0, inside_hw, out=inside_hw)
    return np.maximum(inside_hw, 0.0, out=inside_hw)


def line(distance_hw: Plane, half_width: float) -> Plane:
    """1 at distance 0, falling to 0 at this distance on either side."""
    inside_hw: Plane = np.maximum(1.0 - np.abs(distance_hw) * (1.0 / half_width), 0.0)
    return inside_hw


def ramp(value_hw: Plane, start: float, end: float) -> Plane:
    """0 before ``start``, 1 after ``end``, smooth in between."""
    share_hw: Plane = value_hw - start
    share_hw *= 1.0 / (end - start)
    np.clip(share_hw, 0.0, 1.0, out=share_hw)
    return share_hw * share_hw * (3.0 - 2.0 * share_hw)


def wave(phase_hw: Plane) -> Plane:
    """A smooth wave of period 1 between −1 and 1, made of parabolas."""
    folded_hw: Plane = phase_hw - np.floor(phase_hw)
    folded_hw -= 0.5
    return 16.0 * folded_hw * (0.5 - np.abs(folded_hw))
