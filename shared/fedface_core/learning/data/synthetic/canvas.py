"""The picture being painted, and where on the face each of its pixels lies.

Pixels see only + − × ÷, square roots, minima and maxima, which every processor rounds alike: an image has the same bytes on
every machine, whatever else is rendered. Shapes: N images, H rows, W columns, h and w those of a part, C colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt

import numpy as np

from fedface_core.learning.data.dataset import ImageSize
from fedface_core.learning.data.synthetic.draws import Colour
from fedface_core.learning.data.synthetic.nuisance import Nuisance, Plane

_HALF_HEIGHT = 1.22  # The picture shows this much above and below the middle of the face.
_BULGE_WIDTH, _BULGE_HEIGHT = 0.86, 1.12  # where the head's bulge, by which points move as it turns, has sunk to 0


class Surface:
    """The colour of each pixel's surface and the light on it, with its face coordinates. All planes are contiguous."""

    def __init__(self, u_Nhw: Plane, v_Nhw: Plane, colour_NChw: Plane, light_Nhw: Plane, pixel: Plane) -> None:
        self.u_Nhw, self.v_Nhw = u_Nhw, v_Nhw
        self.colour_NChw, self.light_Nhw = colour_NChw, light_Nhw
        self.pixel = pixel
        """The length of a pixel's side, in face units (N, 1, 1)."""

    def edge(self, depth_Nhw: Plane) -> Plane:
        """How much of each pixel lies inside an outline, 0…1, from its depth within it in face units."""
        cover_Nhw = depth_Nhw * (1.0 / self.pixel)
        cover_Nhw += 0.5
        return np.clip(cover_Nhw, 0.0, 1.0, out=cover_Nhw)

    def ellipse(self, u_Nhw: Plane, v_Nhw: Plane, across: float, down: float) -> Plane:
        """The cover of an ellipse around (0, 0) of the given coordinates."""
        # First-order distance: exact at the ends of the shorter axis, and close enough elsewhere.
        inside_Nhw = 1.0 - (u_Nhw * (1.0 / across)) ** 2 - (v_Nhw * (1.0 / down)) ** 2
        return self.edge(inside_Nhw * (0.5 * min(across, down)))

    def paint(self, cover_Nhw: Plane, colour: Colour | Plane) -> None:
        """Lay a colour, (C,) or one for each image (N, C, 1, 1), over the surface, as far as each pixel is covered."""
        change_NChw = np.array(colour, np.float32).reshape(-1, 3, 1, 1) - self.colour_NChw
        change_NChw *= cover_Nhw[:, None]
        self.colour_NChw += change_NChw

    def light(self, cover_Nhw: Plane, light_Nhw: Plane | float) -> None:
        """Replace the light, as far as each pixel is covered."""
        change_Nhw = light_Nhw - self.light_Nhw
        change_Nhw *= cover_Nhw
        self.light_Nhw += change_Nhw

    def shade(self, strength: float | Plane, cover_Nhw: Plane) -> None:
        """Take this share of the light, as far as each pixel is covered; brighten where it is negative."""
        self.light_Nhw *= 1.0 - cover_Nhw * strength


class Canvas(Surface):
    """Whole pictures of one size, each in its own pose.

    A pixel at (x, y) of the upright picture shows the point (u, v) of the face seen from the front. Turning moves points in
    proportion to how far they bulge towards the camera, so that the outline stays and the far cheek is foreshortened.
    """

    def __init__(self, size: ImageSize, pose: Nuisance) -> None:
        self._height, self._width = size.height, size.width
        pixel = (2.0 * _HALF_HEIGHT / size.height) / pose.scale
        # Half-angle formulae: cosine and sine without a library's approximation.
        squared = pose.roll * pose.roll
        cosine, sine = (1.0 - squared) / (1.0 + squared), 2.0 * pose.roll / (1.0 + squared)
        across_W = np.arange(size.width, dtype=np.float32) - (size.width - 1) / 2
        down_H1 = (np.arange(size.height, dtype=np.float32) - (size.height - 1) / 2)[:, None]
        across_N1W, down_NH1 = across_W * pixel - pose.shift_x, down_H1 * pixel - pose.shift_y
        self.x_Nhw: Plane = across_N1W * cosine + down_NH1 * sine
        self.y_Nhw: Plane = down_NH1 * cosine - across_N1W * sine
        bulge_Nhw = bowl(self.x_Nhw, self.y_Nhw, _BULGE_WIDTH, _BULGE_HEIGHT)
        values = (pose.turn, pose.nod, cosine, sine, pose.shift_x, pose.shift_y, pixel)
        self._poses = [_Pose(*numbers) for numbers in zip(*(value.ravel().tolist() for value in values), strict=True)]
        super().__init__(
            u_Nhw=self.x_Nhw - bulge_Nhw * (pose.turn * _BULGE_WIDTH),
            v_Nhw=self.y_Nhw - bulge_Nhw * (pose.nod * _BULGE_HEIGHT),
            colour_NChw=np.zeros((len(pixel), 3, size.height, size.width), np.float32),
            light_Nhw=np.ones((len(pixel), size.height, size.width), np.float32),
            pixel=pixel,
        )

    @contextmanager
    def part(self, u: float | Plane, v: float | Plane, across: float | Plane, down: float) -> Iterator[Surface]:
        """Paint only where the box of half-sizes ``across`` and ``down`` around the face point (u, v) may be seen."""
        window = self.window(u, v, across, down)
        u_Nhw, v_Nhw = window.take(self.u_Nhw), window.take(self.v_Nhw)
        surface = Surface(u_Nhw, v_Nhw, window.take(self.colour_NChw), window.take(self.light_Nhw), self.pixel)
        yield surface
        window.put(self.colour_NChw, surface.colour_NChw)
        window.put(self.light_Nhw, surface.light_Nhw)

    def window(self, u: float | Plane, v: float | Plane, across: float | Plane, down: float) -> Window:
        """The pixels that may show the box of half-sizes ``across`` and ``down`` around the face point (u, v)."""
        boxes = [
            pose.seen(*box)
            for pose, *box in zip(self._poses, *(self._each(value) for value in (u, v, across, down)), strict=True)
        ]
        height = min(self._height, int(2.0 * max(half_rows for _, _, half_rows, _ in boxes)) + 2)
        width = min(self._width, int(2.0 * max(half_columns for _, _, _, half_columns in boxes)) + 2)
        corners = [
            (
                max(0, min(self._height - height, int(self._height / 2 + row - half_rows))),
                max(0, min(self._width - width, int(self._width / 2 + column - half_columns))),
            )
            for row, column, half_rows, half_columns in boxes
        ]
        return Window(height, width, tuple((slice(top, top + height), slice(left, left + width)) for top, left in corners))

    def _each(self, value: float | Plane) -> list[float]:
        """One value for each image."""
        return value.ravel().tolist() if isinstance(value, np.ndarray) else [value] * len(self._poses)


@dataclass(frozen=True)
class _Pose:
    """One image's pose in plain numbers, to find where on the picture a point of the face is seen."""

    turn: float
    nod: float
    cosine: float
    sine: float
    shift_x: float
    shift_y: float
    pixel: float

    def seen(self, u: float, v: float, across: float, down: float) -> tuple[float, float, float, float]:
        """In pixels: row and column of (u, v) from the picture's middle, half the height and width of the box around it."""
        # The bulge B there solves B = 1 − (u/w + B·turn)² − (v/h + B·nod)², a quadratic equation.
        along, below = u / _BULGE_WIDTH, v / _BULGE_HEIGHT
        constant = along * along + below * below - 1.0
        linear = 1.0 + 2.0 * (along * self.turn + below * self.nod)
        root = sqrt(max(linear * linear - 4.0 * (self.turn * self.turn + self.nod * self.nod) * constant, 0.0))
        bulge = max(-2.0 * constant / max(linear + root, 0.1), 0.0)
        x, y = u + bulge * self.turn * _BULGE_WIDTH, v + bulge * self.nod * _BULGE_HEIGHT
        # Where it is not foreshortened but stretched, the box shows larger than it is.
        half_x, half_y = (1.0 + abs(self.turn)) * across + 0.03, (1.0 + abs(self.nod)) * down + 0.03
        return (
            (self.shift_y + x * self.sine + y * self.cosine) / self.pixel,
            (self.shift_x + x * self.cosine - y * self.sine) / self.pixel,
            (half_x * abs(self.sine) + half_y * self.cosine) / self.pixel,
            (half_x * self.cosine + half_y * abs(self.sine)) / self.pixel,
        )


@dataclass(frozen=True)
class Window:
    """A rectangle of each image, all of one size, as rows and columns."""

    height: int
    width: int
    places: tuple[tuple[slice, slice], ...]

    def take(self, plane_NHW: Plane) -> Plane:
        """A contiguous copy; planes of colours (N, C, H, W) too."""
        part_Nhw = np.empty((*plane_NHW.shape[:-2], self.height, self.width), np.float32)
        for part, image, (rows, columns) in zip(part_Nhw, plane_NHW, self.places, strict=True):
            part[...] = image[..., rows, columns]
        return part_Nhw

    def put(self, plane_NHW: Plane, part_Nhw: Plane) -> None:
        """The inverse of `take`."""
        for image, part, (rows, columns) in zip(plane_NHW, part_Nhw, self.places, strict=True):
            image[..., rows, columns] = part


def bump(u_Nhw: Plane, v_Nhw: Plane, across: float, down: float) -> Plane:
    """1 at (0, 0), falling smoothly to 0 at the ellipse of these half-axes."""
    inside_Nhw = bowl(u_Nhw, v_Nhw, across, down)
    inside_Nhw *= inside_Nhw
    return inside_Nhw


def bowl(u_Nhw: Plane, v_Nhw: Plane, across: float, down: float) -> Plane:
    """A paraboloid: 1 at (0, 0), falling to 0 at the ellipse of these half-axes, with an edge there."""
    inside_Nhw: Plane = u_Nhw * (1.0 / across)
    inside_Nhw *= inside_Nhw
    down_Nhw = v_Nhw * (1.0 / down)
    down_Nhw *= down_Nhw
    inside_Nhw += down_Nhw
    np.subtract(1.0, inside_Nhw, out=inside_Nhw)
    return np.maximum(inside_Nhw, 0.0, out=inside_Nhw)


def line(distance_Nhw: Plane, half_width: float) -> Plane:
    """1 at distance 0, falling to 0 at this distance on either side."""
    inside_Nhw: Plane = np.maximum(1.0 - np.abs(distance_Nhw) * (1.0 / half_width), 0.0)
    return inside_Nhw


def ramp(value_Nhw: Plane, start: float, end: float) -> Plane:
    """0 before ``start``, 1 after ``end``, smooth in between."""
    share_Nhw: Plane = value_Nhw - start
    share_Nhw *= 1.0 / (end - start)
    np.clip(share_Nhw, 0.0, 1.0, out=share_Nhw)
    return share_Nhw * share_Nhw * (3.0 - 2.0 * share_Nhw)


def wave(phase_Nhw: Plane) -> Plane:
    """A smooth wave of period 1 between −1 and 1, made of parabolas."""
    folded_Nhw: Plane = phase_Nhw - np.floor(phase_Nhw)
    folded_Nhw -= 0.5
    return 16.0 * folded_Nhw * (0.5 - np.abs(folded_Nhw))
