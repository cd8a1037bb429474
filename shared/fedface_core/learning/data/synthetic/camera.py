"""The camera: exposure, white balance, the square root that makes light a picture, blur, noise, 8 bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedface_core.learning.data.synthetic.canvas import Canvas
from fedface_core.learning.data.synthetic.nuisance import Nuisance, Plane

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow converts to grey
_GRAIN_SPREAD = 2.45  # The sum of two bytes has a standard deviation of 256/√6: this makes it 255.


def photograph(canvas: Canvas, scene: Nuisance, channels: int, grain: Sequence[np.random.Generator]) -> NDArray[np.uint8]:
    """The pictures as uint8 (N, channels, H, W)."""
    balance_NC11 = np.stack([1.0 + scene.warmth, np.ones_like(scene.warmth), 1.0 - scene.warmth], axis=1)
    pictures_NCHW = canvas.colour_NChw * (canvas.light_Nhw * scene.exposure)[:, None]
    pictures_NCHW *= balance_NC11
    np.sqrt(pictures_NCHW, out=pictures_NCHW)
    if channels == 1:
        red, green, blue = _GREY
        pictures_NCHW = (pictures_NCHW[:, 0] * red + pictures_NCHW[:, 1] * green + pictures_NCHW[:, 2] * blue)[:, None]
    height, width = pictures_NCHW.shape[2:]
    for index, deviation in enumerate((scene.blur * height).ravel().tolist()):
        pictures_NCHW[index] = _blur(pictures_NCHW[index], deviation)
    # The sum of two random bytes: bell-shaped enough, and the same everywhere.
    bytes_NKHW = np.stack([np.frombuffer(generator.bytes(2 * height * width), np.uint8) for generator in grain])
    bytes_NKHW = bytes_NKHW.reshape(-1, 2, height, width)
    grain_NHW = (bytes_NKHW[:, 0].astype(np.float32) + bytes_NKHW[:, 1] - 255.0) * (_GRAIN_SPREAD * scene.noise)
    # Less contrast moves everything towards a dark grey.
    grain_NHW += 76.5 * (1.0 - scene.contrast) + 0.5
    pictures_NCHW *= (255.0 * scene.contrast)[:, None]
    pictures_NCHW += grain_NHW[:, None]
    return np.clip(pictures_NCHW, 0.0, 255.0, out=pictures_NCHW).astype(np.uint8)


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
