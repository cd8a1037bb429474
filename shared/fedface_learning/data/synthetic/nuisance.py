"""What differs between two images of one person: pose, expression, light, background, what is in the way, and the camera."""

# ruff: noqa: RUF009 (the calls make dataclass fields)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedface_learning.data.synthetic.draws import around, between, draw_fields, sometimes

_RANDOM_COLOURS = 7

Plane = NDArray[np.floating[Any]]  # float32 throughout: Python's numbers do not widen it


@dataclass(frozen=True)
class Nuisance:
    """The occasions of N images: values (N, 1, 1), to go with planes of pixels. Lengths are in face units."""

    turn: Plane = around(0.0, 0.42)
    """Out of the plane, sideways: how far the middle of the face moves, in head widths."""
    nod: Plane = around(0.0, 0.20)
    roll: Plane = around(0.0, 0.12)
    """In the plane: the tangent of half the angle."""
    scale: Plane = between(0.90, 1.12)
    shift_x: Plane = between(-0.10, 0.10)
    shift_y: Plane = between(-0.09, 0.09)

    smile: Plane = around(0.25, 0.75)
    mouth_open: Plane = sometimes(0.35, 0.1, 1.0)
    brow_raise: Plane = around(0.0, 0.05)
    frown: Plane = sometimes(0.3, 0.0, 0.12)
    eyes_open: Plane = between(0.55, 1.15)
    gaze_x: Plane = around(0.0, 0.05)
    gaze_y: Plane = around(0.0, 0.02)

    light_x: Plane = around(0.0, 1.3)
    light_y: Plane = between(-1.0, 0.5)
    ambient: Plane = between(0.22, 0.55)
    diffuse: Plane = between(0.40, 0.85)
    warmth: Plane = between(-0.18, 0.18)
    exposure: Plane = between(0.65, 1.35)
    contrast: Plane = between(0.75, 1.1)

    hair_dishevelled: Plane = between(-0.04, 0.04)
    backdrop: Plane = between(0.0, 1.0)
    """Below a third a gradient, then stripes, then blobs."""
    backdrop_angle: Plane = between(-1.0, 1.0)
    backdrop_pitch: Plane = between(1.0, 5.0)

    patch: Plane = sometimes(0.30, 0.12, 0.34)
    """Half the size of what hides a part of the face; 0 where nothing does."""
    patch_x: Plane = between(-0.7, 0.7)
    patch_y: Plane = between(-0.7, 0.8)
    patch_shape: Plane = between(0.5, 2.0)
    patch_angle: Plane = between(-0.6, 0.6)

    blur: Plane = sometimes(0.6, 0.0, 0.013)
    """The blur's standard deviation, as a share of the image's height."""
    noise: Plane = between(0.004, 0.045)

    colours_KNC11: Plane = field(kw_only=True)
    """Of the background (three), the clothes (two) and the patch (two), linear light."""

    @property
    def smiling(self) -> Plane:
        """The smile where there is one, 0 where the corners of the mouth hang."""
        return np.maximum(self.smile, 0.0)


def draw_nuisance(generators: Sequence[np.random.Generator]) -> Nuisance:
    """An occasion from each of these generators."""
    values = draw_fields(Nuisance, generators)
    shades_NKC = np.stack([generator.random((_RANDOM_COLOURS, 3)) for generator in generators])
    # Rooms and clothes are rarely of pure colours: pull each towards its own grey.
    shades_NKC = (0.4 * shades_NKC + 0.6 * shades_NKC.mean(axis=2, keepdims=True)) ** 2
    return Nuisance(
        **{name: value.astype(np.float32).reshape(-1, 1, 1) for name, value in values.items()},
        colours_KNC11=shades_NKC.transpose(1, 0, 2).astype(np.float32)[..., None, None],
    )
