"""The picture being painted, and where on the face each of its pixels lies.

Pixels see only + − × ÷, square roots, minima and maxima, which every processor rounds alike: an image has the same bytes on
every machine, whatever else is rendered. Shapes: N images, H rows, W columns, h and w those of a part, C colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedface_learning.data.dataset import ImageSize
from fedface_learning.data.synthetic.draws import Colour
from fedface_learning.data.synthetic.nuisance import Nuisance, Plane

Images = NDArray[np.intp]  # (N,), which of the images

_HALF_HEIGHT = 1.22  # The picture shows this much above and below the middle of the face.
_BULGE_WIDTH, _BULGE_HEIGHT = 0.86, 1.12  # where the head's bulge, by which points move as it turns, has sunk to 0


class Surface:
    """The colour of each pixel's surface and the light on it, with its face coordinates. All planes are contiguous."""

    colour_NChw: Plane
    light_Nhw: Plane

    def __init__(self, u_Nhw: Plane, v_Nhw: Plane, pixel: Plane) -> None:
        self.u_Nhw, self.v_Nhw = u_Nhw, v_Nhw
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
        inside_Nhw = _paraboloid(u_Nhw, v_Nhw, across, down)
        inside_Nhw *= 0.5 * min(across, down)
        return self.edge(inside_Nhw)

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
        left_Nhw = cover_Nhw * strength
        self.light_Nhw *= np.subtract(1.0, left_Nhw, out=left_Nhw)


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
        self._pose, self._cosine, self._sine = pose, cosine, sine
        super().__init__(
            u_Nhw=self.x_Nhw - bulge_Nhw * (pose.turn * _BULGE_WIDTH),
            v_Nhw=self.y_Nhw - bulge_Nhw * (pose.nod * _BULGE_HEIGHT),
            pixel=pixel,
        )
        self.colour_NChw = np.zeros((len(pixel), 3, size.height, size.width), np.float32)
        self.light_Nhw = np.ones((len(pixel), size.height, size.width), np.float32)

    @contextmanager
    def part(
        self, u: float | Plane, v: float | Plane, across: float | Plane, down: float, images: Images | None = None
    ) -> Iterator[Surface]:
        """Paint only where the box of half-sizes ``across`` and ``down`` around the face point (u, v) may be seen.

        Only these ``images``, where given: the surface's N is then their number.
        """
        part = _Part(self, self.window(u, v, across, down, images))
        yield part
        part.put_back()

    def window(
        self, u: float | Plane, v: float | Plane, across: float | Plane, down: float, images: Images | None = None
    ) -> Window:
        """The pixels that may show the box of half-sizes ``across`` and ``down`` around the face point (u, v)."""
        if images is None:
            images = np.arange(len(self.pixel))
        row, column, half_rows, half_columns = (value.ravel()[images] for value in self._seen(u, v, across, down))
        top, height = _span(row, half_rows, self._height)
        left, width = _span(column, half_columns, self._width)
        places = [
            (image, slice(y, y + height), slice(x, x + width))
            for image, y, x in zip(images.tolist(), top, left, strict=True)
        ]
        return Window(height, width, tuple(places))

    def _seen(
        self, u: float | Plane, v: float | Plane, across: float | Plane, down: float
    ) -> tuple[Plane, Plane, Plane, Plane]:
        """In pixels: row and column of (u, v) from the picture's middle, half the height and width of the box around it."""
        pose, cosine, sine = self._pose, self._cosine, self._sine
        # The bulge B there solves B = 1 − (u/w + B·turn)² − (v/h + B·nod)², a quadratic equation.
        along, below = u / _BULGE_WIDTH, v / _BULGE_HEIGHT
        constant = along * along + below * below - 1.0
        linear = 1.0 + 2.0 * (along * pose.turn + below * pose.nod)
        squared = linear * linear - 4.0 * constant * (pose.turn * pose.turn + pose.nod * pose.nod)
        root = np.sqrt(np.maximum(squared, 0.0))
        bulge = np.maximum(-2.0 * constant / np.maximum(linear + root, 0.1), 0.0)
        x, y = u + bulge * pose.turn * _BULGE_WIDTH, v + bulge * pose.nod * _BULGE_HEIGHT
        # Where it is not foreshortened but stretched, the box shows larger than it is.
        half_x, half_y = (1.0 + np.abs(pose.turn)) * across + 0.03, (1.0 + np.abs(pose.nod)) * down + 0.03
        return (
            (pose.shift_y + x * sine + y * cosine) / self.pixel,
            (pose.shift_x + x * cosine - y * sine) / self.pixel,
            (half_x * np.abs(sine) + half_y * cosine) / self.pixel,
            (half_x * cosine + half_y * np.abs(sine)) / self.pixel,
        )


class _Part(Surface):
    """A window's pixels of a canvas. Copied when first used: many parts change the light and not the colour."""

    def __init__(self, canvas: Canvas, window: Window) -> None:
        self._canvas, self._window = canvas, window
        images = [image for image, _, _ in window.places]
        super().__init__(window.take(canvas.u_Nhw), window.take(canvas.v_Nhw), canvas.pixel[images])

    @cached_property
    def colour_NChw(self) -> Plane:  # type: ignore[override]  # noqa: N802 (the shape)
        return self._window.take(self._canvas.colour_NChw)

    @cached_property
    def light_Nhw(self) -> Plane:  # type: ignore[override]  # noqa: N802 (the shape)
        return self._window.take(self._canvas.light_Nhw)

    def put_back(self) -> None:
        """Show on the canvas what was painted here."""
        for name in ("colour_NChw", "light_Nhw"):
            if name in vars(self):  # where a cached property keeps what it has computed
                self._window.put(getattr(self._canvas, name), getattr(self, name))


@dataclass(frozen=True)
class Window:
    """A rectangle of each of some images, all of one size, as image, rows and columns."""

    height: int
    width: int
    places: tuple[tuple[int, slice, slice], ...]

    def take(self, plane_NHW: Plane) -> Plane:
        """A contiguous copy; planes of colours (N, C, H, W) too."""
        part_Nhw = np.empty((len(self.places), *plane_NHW.shape[1:-2], self.height, self.width), np.float32)
        for part, (image, rows, columns) in zip(part_Nhw, self.places, strict=True):
            part[...] = plane_NHW[image, ..., rows, columns]
        return part_Nhw

    def put(self, plane_NHW: Plane, part_Nhw: Plane) -> None:
        """The inverse of `take`."""
        for part, (image, rows, columns) in zip(part_Nhw, self.places, strict=True):
            plane_NHW[image, ..., rows, columns] = part


def _span(middle_N: Plane, half_N: Plane, length: int) -> tuple[list[int], int]:
    """Where spans around these places, from the picture's middle, begin, and their common length within it."""
    starts = [min(max(0, int(start)), length - 1) for start in (length / 2 + middle_N - half_N).tolist()]
    ends = [min(max(1, int(end) + 1), length) for end in (length / 2 + middle_N + half_N).tolist()]
    common = max(1, *(end - start for start, end in zip(starts, ends, strict=True)))
    return [min(start, length - common) for start in starts], common


def bump(u_Nhw: Plane, v_Nhw: Plane, across: float, down: float) -> Plane:
    """1 at (0, 0), falling smoothly to 0 at the ellipse of these half-axes."""
    inside_Nhw = bowl(u_Nhw, v_Nhw, across, down)
    inside_Nhw *= inside_Nhw
    return inside_Nhw


def bowl(u_Nhw: Plane, v_Nhw: Plane, across: float, down: float) -> Plane:
    """A paraboloid: 1 at (0, 0), falling to 0 at the ellipse of these half-axes, with an edge there."""
    inside_Nhw = _paraboloid(u_Nhw, v_Nhw, across, down)
    return np.maximum(inside_Nhw, 0.0, out=inside_Nhw)


def _paraboloid(u_Nhw: Plane, v_Nhw: Plane, across: float, down: float) -> Plane:
    inside_Nhw: Plane = u_Nhw * (1.0 / across)
    inside_Nhw *= inside_Nhw
    down_Nhw = v_Nhw * (1.0 / down)
    down_Nhw *= down_Nhw
    inside_Nhw += down_Nhw
    return np.subtract(1.0, inside_Nhw, out=inside_Nhw)


def line(distance_Nhw: Plane, half_width: float) -> Plane:
    """1 at distance 0, falling to 0 at this distance on either side."""
    inside_Nhw: Plane = np.abs(distance_Nhw)
    inside_Nhw *= -1.0 / half_width
    inside_Nhw += 1.0
    return np.maximum(inside_Nhw, 0.0, out=inside_Nhw)


def ramp(value_Nhw: Plane, start: float, end: float) -> Plane:
    """0 before ``start``, 1 after ``end``, smooth in between."""
    share_Nhw: Plane = value_Nhw - start
    share_Nhw *= 1.0 / (end - start)
    np.clip(share_Nhw, 0.0, 1.0, out=share_Nhw)
    smooth_Nhw = share_Nhw * -2.0
    smooth_Nhw += 3.0
    smooth_Nhw *= share_Nhw
    smooth_Nhw *= share_Nhw
    return smooth_Nhw


def wave(phase_Nhw: Plane) -> Plane:
    """A smooth wave of period 1 between −1 and 1, made of parabolas."""
    folded_Nhw: Plane = phase_Nhw - np.floor(phase_Nhw)
    folded_Nhw -= 0.5
    height_Nhw = np.abs(folded_Nhw)
    np.subtract(0.5, height_Nhw, out=height_Nhw)
    folded_Nhw *= 16.0
    folded_Nhw *= height_Nhw
    return folded_Nhw
