"""The scenes of images: all in which two images of one person differ, such as pose, expression, light and background.

Lengths are in face units, as in `fedface_learning.data.synthetic.identity`.
Suffixes of array names: N images, K colours of a scene, C red, green and blue.
"""

# ruff: noqa: RUF009 (the calls make dataclass fields)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedface_learning.data.synthetic.draws import draw_fields, peaked, uniform, uniform_or_zero

_RANDOM_COLOURS = 7

Plane = NDArray[np.floating[Any]]  # Always float32: arithmetic with Python's numbers does not widen it.


@dataclass(frozen=True)
class Scene:
    """The scenes of N images. All values but the colours are (N, 1, 1), which fits planes of pixels (N, H, W)."""

    turn: Plane = peaked(0.0, 0.42)
    """The turn to one side: how far the middle of the face moves, in head widths."""
    nod: Plane = peaked(0.0, 0.20)
    """The turn up or down: how far the middle of the face moves, in head heights."""
    roll: Plane = peaked(0.0, 0.12)
    """The turn in the plane of the picture: the tangent of half its angle."""
    scale: Plane = uniform(0.90, 1.12)
    shift_x: Plane = uniform(-0.10, 0.10)
    shift_y: Plane = uniform(-0.09, 0.09)

    smile: Plane = peaked(0.25, 0.75)
    mouth_open: Plane = uniform_or_zero(0.35, 0.1, 1.0)
    brow_raise: Plane = peaked(0.0, 0.05)
    frown: Plane = uniform_or_zero(0.3, 0.0, 0.12)
    eyes_open: Plane = uniform(0.55, 1.15)
    gaze_x: Plane = peaked(0.0, 0.05)
    gaze_y: Plane = peaked(0.0, 0.02)

    light_x: Plane = peaked(0.0, 1.3)
    light_y: Plane = uniform(-1.0, 0.5)
    ambient: Plane = uniform(0.22, 0.55)
    diffuse: Plane = uniform(0.40, 0.85)
    warmth: Plane = uniform(-0.18, 0.18)
    exposure: Plane = uniform(0.65, 1.35)
    contrast: Plane = uniform(0.75, 1.1)

    hair_dishevelled: Plane = uniform(-0.04, 0.04)
    background: Plane = uniform(0.0, 1.0)
    """Up to a third the background is a gradient, up to two thirds it has stripes, else blobs."""
    background_angle: Plane = uniform(-1.0, 1.0)
    background_pitch: Plane = uniform(1.0, 5.0)

    occluder: Plane = uniform_or_zero(0.30, 0.12, 0.34)
    """Half the height of the board that hides a part of the face; 0 if there is none."""
    occluder_x: Plane = uniform(-0.7, 0.7)
    occluder_y: Plane = uniform(-0.7, 0.8)
    occluder_shape: Plane = uniform(0.5, 2.0)
    occluder_angle: Plane = uniform(-0.6, 0.6)

    blur: Plane = uniform_or_zero(0.6, 0.0, 0.013)
    """The standard deviation of the blur, as a share of the image's height."""
    noise: Plane = uniform(0.004, 0.045)

    colours_KNC11: Plane = field(kw_only=True)
    """Linear colours (K, N, C, 1, 1): three of the background, two of the clothes and two of the board."""

    @property
    def smiling(self) -> Plane:
        """The strength of the smile (N, 1, 1); 0 if the corners of the mouth hang."""
        return np.maximum(self.smile, 0.0)


def draw_scenes(generators: Sequence[np.random.Generator]) -> Scene:
    """Draw the scene of one image from each of the generators."""
    values = draw_fields(Scene, generators)
    shades_NKC = np.stack([generator.random((_RANDOM_COLOURS, 3)) for generator in generators])
    # Rooms and clothes rarely have pure colours, so each colour is mixed with grey.
    shades_NKC = (0.4 * shades_NKC + 0.6 * shades_NKC.mean(axis=2, keepdims=True)) ** 2
    return Scene(
        **{name: value.astype(np.float32).reshape(-1, 1, 1) for name, value in values.items()},
        colours_KNC11=shades_NKC.transpose(1, 0, 2).astype(np.float32)[..., None, None],
    )
