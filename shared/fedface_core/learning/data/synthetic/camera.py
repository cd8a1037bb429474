"""The camera: exposure, white balance, the square root that makes light a picture, blur, noise, 8 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedface_core.learning.data.synthetic.canvas import Canvas, Plane
from fedface_core.learning.data.synthetic.nuisance import Nuisance

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow converts to grey
_GRAIN_SPREAD = 2.45  # The sum of two uniform numbers has a standard deviation of 1/√6.


def photograph(canvas: Canvas, scene: Nuisance, channels: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """The picture as uint8 (channels, H, W)."""
    balance_C = np.array([1.0 + scene.warmth, 1.0, 1.0 - scene.warmth], np.float32) * np.float32(scene.exposure)
    picture_CHW = np.sqrt(canvas.colour_Chw * canvas.light_hw * balance_C[:, None, None])
    if channels == 1:
        red, green, blue = _GREY
        picture_CHW = (picture_CHW[0] * red + picture_CHW[1] * green + picture_CHW[2] * blue)[None]
    picture_CHW = _blur(picture_CHW, scene.blur * picture_CHW.shape[1])
    # The sum of two uniform numbers: bell-shaped enough, and the same everywhere.
    grain_HW = generator.random(picture_CHW.shape[1:], np.float32) + generator.random(picture_CHW.shape[1:], np.float32)
    grain_HW -= 1.0
    # Less contrast moves everything towards a dark grey.
    picture_CHW *= 255.0 * scene.contrast
    picture_CHW += grain_HW * (255.0 * _GRAIN_SPREAD * scene.noise) + (76.5 * (1.0 - scene.contrast) + 0.5)
    return np.clip(picture_CHW, 0.0, 255.0, out=picture_CHW).astype(np.uint8)


def _blur(picture_CHW: Plane, deviation: float) -> Plane:
    """Approximately Gaussian, of this standard deviation in pixels: 1-2-1 passes, the last one weaker."""
    variance = deviation * deviation
    while variance > 0.01:
        share = min(variance, 0.5)  # A pass with side weights share/2 adds the variance ``share``.
        picture_CHW = _smooth(picture_CHW, share)
        variance -= share
    return picture_CHW


def _smooth(picture_CHW: Plane, share: float) -> Plane:
    """One pass along the rows and the columns; the outermost pixels stay as they are on the axis that leaves the picture."""
    side = share / 2
    for inner, before, after in (
        (np.s_[:, 1:-1], np.s_[:, :-2], np.s_[:, 2:]),
        (np.s_[:, :, 1:-1], np.s_[:, :, :-2], np.s_[:, :, 2:]),
    ):
        smooth_CHW = picture_CHW.copy()
        smooth_CHW[inner] *= 1.0 - share
        smooth_CHW[inner] += (picture_CHW[before] + picture_CHW[after]) * side
        picture_CHW = smooth_CHW
    return picture_CHW
