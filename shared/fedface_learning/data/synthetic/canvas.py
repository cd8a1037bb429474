"""The canvas: the pictures that are painted, and the point of the face that each of their pixels shows.

Pixels are computed with + − × ÷, square roots, minima and maxima only, which every processor rounds alike, so pictures have
equal bytes on every machine. A part is as large as the largest of its images needs, so a picture may depend a little on the
pictures that are painted with it.

Suffixes of array names: N images, C colours, H×W pixels of a picture, h×w pixels of a part of it (or of the whole).
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
from fedface_learning.data.synthetic.scene import Plane, Scene

ImageIndices = NDArray[np.intp]  # (N,)

_HALF_HEIGHT = 1.22  # The picture shows so many face units above and below the middle of the face.
# The head bulges to the camera, and its points move in proportion as it turns. These are the half-axes of the bulge.
_BULGE_WIDTH = 0.86
_BULGE_HEIGHT = 1.12


class Surface:
    """The colour of the surface that each pixel shows, the light on it, and its point of the face.

    All planes are contiguous. A cover is a plane with the share (0 to 1) of each pixel that a shape covers.
    """

    colour_NChw: Plane
    light_Nhw: Plane

    def __init__(self, u_Nhw: Plane, v_Nhw: Plane, pixel: Plane) -> None:
        """The points of the face in face units, and the length of a pixel's side in face units (N, 1, 1)."""
        self.u_Nhw = u_Nhw
        self.v_Nhw = v_Nhw
        self.pixel = pixel

    def edge(self, depth_Nhw: Plane) -> Plane:
        """The cover of a shape, from the depth of each pixel's middle inside its outline, in face units."""
        cover_Nhw = depth_Nhw * (1.0 / self.pixel)
        cover_Nhw += 0.5
        return np.clip(cover_Nhw, 0.0, 1.0, out=cover_Nhw)

    def ellipse(self, u_Nhw: Plane, v_Nhw: Plane, across: float, down: float) -> Plane:
        """The cover of the ellipse around (0, 0) with the half-axes ``across`` and ``down``, all in face units."""
        # The distance is of first order: exact at the ends of the shorter axis, and close enough elsewhere.
        inside_Nhw = _paraboloid(u_Nhw, v_Nhw, across, down)
        inside_Nhw *= 0.5 * min(across, down)
        return self.edge(inside_Nhw)

    def paint(self, cover_Nhw: Plane, colour: Colour | Plane) -> None:
        """Change the surface to a colour, as far as each pixel is covered.

        The colour is (C,), or one for each image (N, C, 1, 1).
        """
        change_NChw = np.array(colour, np.float32).reshape(-1, 3, 1, 1) - self.colour_NChw
        change_NChw *= cover_Nhw[:, None]
        self.colour_NChw += change_NChw

    def light(self, cover_Nhw: Plane, light_Nhw: Plane | float) -> None:
        """Change the light, as far as each pixel is covered."""
        change_Nhw = light_Nhw - self.light_Nhw
        change_Nhw *= cover_Nhw
        self.light_Nhw += change_Nhw

    def shade(self, strength: float | Plane, cover_Nhw: Plane) -> None:
        """Take off the share ``strength`` of the light, as far as each pixel is covered. A negative one brightens."""
        remaining_Nhw = cover_Nhw * strength
        self.light_Nhw *= np.subtract(1.0, remaining_Nhw, out=remaining_Nhw)


class Canvas(Surface):
    """Whole pictures of one size, each of its own scene.

    A pixel at (x, y) of the upright picture shows the point (u, v) of the face as seen from the front. When the head turns,
    points move in proportion to their bulge to the camera: the outline stays, and the far cheek is foreshortened.
    """

    def __init__(self, size: ImageSize, scene: Scene) -> None:
        """Black pictures, an image for each scene, in full light."""
        self._scene = scene
        self._height = size.height
        self._width = size.width
        pixel = (2.0 * _HALF_HEIGHT / size.height) / scene.scale
        # Half-angle formulae: they give cosine and sine without a library's approximation.
        squared = scene.roll * scene.roll
        self._cosine = (1.0 - squared) / (1.0 + squared)
        self._sine = 2.0 * scene.roll / (1.0 + squared)
        across_W = np.arange(size.width, dtype=np.float32) - (size.width - 1) / 2
        down_H1 = (np.arange(size.height, dtype=np.float32) - (size.height - 1) / 2)[:, None]
        across_N1W = across_W * pixel - scene.shift_x
        down_NH1 = down_H1 * pixel - scene.shift_y
        self.x_Nhw: Plane = across_N1W * self._cosine + down_NH1 * self._sine
        self.y_Nhw: Plane = down_NH1 * self._cosine - across_N1W * self._sine
        bulge_Nhw = bowl(self.x_Nhw, self.y_Nhw, _BULGE_WIDTH, _BULGE_HEIGHT)
        super().__init__(
            u_Nhw=self.x_Nhw - bulge_Nhw * (scene.turn * _BULGE_WIDTH),
            v_Nhw=self.y_Nhw - bulge_Nhw * (scene.nod * _BULGE_HEIGHT),
            pixel=pixel,
        )
        self.colour_NChw = np.zeros((len(pixel), 3, size.height, size.width), np.float32)
        self.light_Nhw = np.ones((len(pixel), size.height, size.width), np.float32)

    @contextmanager
    def part(
        self, u: float | Plane, v: float | Plane, across: float | Plane, down: float, images: ImageIndices | None = None
    ) -> Iterator[Surface]:
        """A context that gives the part of the pictures to paint on, and then writes the part back.

        The part has the pixels that may show the box with half-sizes ``across`` and ``down`` around the point (u, v) of the
        face. If ``images`` are given, it has only these.
        """
        part = _Part(self, self.window(u, v, across, down, images))
        yield part
        part.write_back()

    def window(
        self, u: float | Plane, v: float | Plane, across: float | Plane, down: float, images: ImageIndices | None = None
    ) -> Window:
        """The pixels that may show the box with half-sizes ``across`` and ``down`` around the point (u, v) of the face.

        If ``images`` are given, the window is of these only.
        """
        if images is None:
            images = np.arange(len(self.pixel))
        row, column, half_rows, half_columns = (value.ravel()[images] for value in self._visible_box(u, v, across, down))
        top, height = _span(row, half_rows, self._height)
        left, width = _span(column, half_columns, self._width)
        places = [
            (image, slice(y, y + height), slice(x, x + width))
            for image, y, x in zip(images.tolist(), top, left, strict=True)
        ]
        return Window(height, width, tuple(places))

    def _visible_box(
        self, u: float | Plane, v: float | Plane, across: float | Plane, down: float
    ) -> tuple[Plane, Plane, Plane, Plane]:
        """The box around (u, v) in the picture, in pixels: the row and the column of its middle, counted from the picture's
        middle, half its height and half its width.
        """
        turn = self._scene.turn
        nod = self._scene.nod
        # The bulge B at (u, v) solves the quadratic equation B = 1 − (u/w + B·turn)² − (v/h + B·nod)².
        u_share = u / _BULGE_WIDTH
        v_share = v / _BULGE_HEIGHT
        constant = u_share * u_share + v_share * v_share - 1.0
        linear = 1.0 + 2.0 * (u_share * turn + v_share * nod)
        discriminant = linear * linear - 4.0 * constant * (turn * turn + nod * nod)
        root = np.sqrt(np.maximum(discriminant, 0.0))
        bulge = np.maximum(-2.0 * constant / np.maximum(linear + root, 0.1), 0.0)
        x = u + bulge * turn * _BULGE_WIDTH
        y = v + bulge * nod * _BULGE_HEIGHT
        # On the side where the face is stretched, not foreshortened, the box is larger in the picture than on the face.
        half_x = (1.0 + np.abs(turn)) * across + 0.03
        half_y = (1.0 + np.abs(nod)) * down + 0.03
        return (
            (self._scene.shift_y + x * self._sine + y * self._cosine) / self.pixel,
            (self._scene.shift_x + x * self._cosine - y * self._sine) / self.pixel,
            (half_x * np.abs(self._sine) + half_y * self._cosine) / self.pixel,
            (half_x * self._cosine + half_y * np.abs(self._sine)) / self.pixel,
        )


class _Part(Surface):
    """The pixels of a canvas in a window. A plane is copied when first used: many parts change only the light."""

    def __init__(self, canvas: Canvas, window: Window) -> None:
        self._canvas = canvas
        self._window = window
        images = [image for image, _, _ in window.places]
        super().__init__(window.take(canvas.u_Nhw), window.take(canvas.v_Nhw), canvas.pixel[images])

    @cached_property
    def colour_NChw(self) -> Plane:  # type: ignore[override]  # noqa: N802 (the shape)
        return self._window.take(self._canvas.colour_NChw)

    @cached_property
    def light_Nhw(self) -> Plane:  # type: ignore[override]  # noqa: N802 (the shape)
        return self._window.take(self._canvas.light_Nhw)

    def write_back(self) -> None:
        """Copy the planes that were used to the canvas."""
        for name in ("colour_NChw", "light_Nhw"):
            if name in vars(self):  # A cached property stores there what it has computed.
                self._window.put(getattr(self._canvas, name), getattr(self, name))


@dataclass(frozen=True)
class Window:
    """A rectangle in each of several images; all rectangles have one size."""

    height: int
    width: int
    places: tuple[tuple[int, slice, slice], ...]
    """Each rectangle as the index of its image, rows and columns."""

    def take(self, plane_NHW: Plane) -> Plane:
        """A contiguous copy (N, h, w) of the rectangles of planes (N, H, W), or (N, C, h, w) of (N, C, H, W)."""
        part_Nhw = np.empty((len(self.places), *plane_NHW.shape[1:-2], self.height, self.width), np.float32)
        for part, (image, rows, columns) in zip(part_Nhw, self.places, strict=True):
            part[...] = plane_NHW[image, ..., rows, columns]
        return part_Nhw

    def put(self, plane_NHW: Plane, part_Nhw: Plane) -> None:
        """Copy the rectangles (N, h, w) into planes (N, H, W), or (N, C, h, w) into (N, C, H, W)."""
        for part, (image, rows, columns) in zip(part_Nhw, self.places, strict=True):
            plane_NHW[image, ..., rows, columns] = part


def _span(middle_N: Plane, half_N: Plane, length: int) -> tuple[list[int], int]:
    """Spans around ``middle_N``, each ``half_N`` to either side: their first pixels and their common length.

    Middles are counted from the middle of ``length`` pixels, and spans are clipped to these pixels.
    """
    starts = [min(max(0, int(start)), length - 1) for start in (length / 2 + middle_N - half_N).tolist()]
    ends = [min(max(1, int(end) + 1), length) for end in (length / 2 + middle_N + half_N).tolist()]
    common = max(1, *(end - start for start, end in zip(starts, ends, strict=True)))
    return [min(start, length - common) for start in starts], common


def bump(u_Nhw: Plane, v_Nhw: Plane, across: float, down: float) -> Plane:
    """A smooth bump: 1 at (0, 0), which falls to 0 at the ellipse with the half-axes ``across`` and ``down``."""
    inside_Nhw = bowl(u_Nhw, v_Nhw, across, down)
    inside_Nhw *= inside_Nhw
    return inside_Nhw


def bowl(u_Nhw: Plane, v_Nhw: Plane, across: float, down: float) -> Plane:
    """A paraboloid: 1 at (0, 0), which falls to 0 at the ellipse with these half-axes, where it has an edge."""
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
    """A line's profile: 1 at distance 0, which falls linearly to 0 at the distance ``half_width`` on either side."""
    inside_Nhw: Plane = np.abs(distance_Nhw)
    inside_Nhw *= -1.0 / half_width
    inside_Nhw += 1.0
    return np.maximum(inside_Nhw, 0.0, out=inside_Nhw)


def ramp(value_Nhw: Plane, start: float, end: float) -> Plane:
    """A smooth step: 0 up to ``start``, 1 from ``end`` on."""
    share_Nhw: Plane = value_Nhw - start
    share_Nhw *= 1.0 / (end - start)
    np.clip(share_Nhw, 0.0, 1.0, out=share_Nhw)
    smooth_Nhw = share_Nhw * -2.0
    smooth_Nhw += 3.0
    smooth_Nhw *= share_Nhw
    smooth_Nhw *= share_Nhw
    return smooth_Nhw


def wave(phase_Nhw: Plane) -> Plane:
    """A smooth wave of parabolas between −1 and 1, with the period 1."""
    folded_Nhw: Plane = phase_Nhw - np.floor(phase_Nhw)
    folded_Nhw -= 0.5
    height_Nhw = np.abs(folded_Nhw)
    np.subtract(0.5, height_Nhw, out=height_Nhw)
    folded_Nhw *= 16.0
    folded_Nhw *= height_Nhw
    return folded_Nhw
