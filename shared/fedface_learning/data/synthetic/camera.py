"""The camera: exposure, white balance, the square root that makes light a picture, blur, noise, 8 bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedface_learning.data.synthetic.canvas import Canvas
from fedface_learning.data.synthetic.nuisance import Nuisance, Plane

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow converts to grey
_GRAIN_SPREAD = 2.45  # The sum of two bytes has a standard deviation of 256/√6: this makes it 255.


def photograph(canvas: Canvas, scene: Nuisance, channels: int, grain: Sequence[np.random.Generator]) -> NDArray[np.uint8]:
    """The pictures as uint8 (N, channels, H, W)."""
    balance_NC11 = np.stack([1.0 + scene.warmth, np.ones_like(scene.warmth), 1.0 - scene.warmth], axis=1)
    # The contrast and the 255 levels, squared, go in before the square root: one pass over the pixels less.
    gain_NC11 = balance_NC11 * (scene.exposure * (255.0 * scene.contrast) ** 2)[:, None]
    pictures_NCHW = canvas.colour_NChw * canvas.light_Nhw[:, None]
    pictures_NCHW *= gain_NC11
    np.sqrt(pictures_NCHW, out=pictures_NCHW)
    if channels == 1:
        red, green, blue = _GREY
        pictures_NCHW = (pictures_NCHW[:, 0] * red + pictures_NCHW[:, 1] * green + pictures_NCHW[:, 2] * blue)[:, None]
    height, width = pictures_NCHW.shape[2:]
    for picture_CHW, deviation in zip(pictures_NCHW, (scene.blur * height).ravel().tolist(), strict=True):
        _blur(picture_CHW, deviation)
    # The sum of two random bytes: bell-shaped enough, and the same everywhere.
    bytes_NKHW = np.stack([np.frombuffer(generator.bytes(2 * height * width), np.uint8) for generator in grain])
    bytes_NKHW = bytes_NKHW.reshape(-1, 2, height, width)
    spread = _GRAIN_SPREAD * scene.noise
    grain_NHW = bytes_NKHW[:, 0].astype(np.float32)
    grain_NHW += bytes_NKHW[:, 1]
    grain_NHW *= spread
    # Less contrast moves everything towards a dark grey; 255 is the mean of the two bytes' sum.
    grain_NHW += 76.5 * (1.0 - scene.contrast) + 0.5 - 255.0 * spread
    pictures_NCHW += grain_NHW[:, None]
    return np.clip(pictures_NCHW, 0.0, 255.0, out=pictures_NCHW).astype(np.uint8)


def _blur(picture_CHW: Plane, deviation: float) -> None:
    """Approximately Gaussian, of this standard deviation in pixels, in place: 1-2-1 passes, the last one weaker."""
    variance = deviation * deviation
    while variance > 0.01:
        share = min(variance, 0.5)  # A pass with side weights share/2 adds the variance ``share``.
        _smooth(picture_CHW, share / 2)
        variance -= share


def _smooth(picture_CHW: Plane, side: float) -> None:
    """One pass along the columns and the rows, in place: neighbours exchange the share ``side`` of their difference."""
    for before_CHW, after_CHW in (
        (picture_CHW[:, :-1], picture_CHW[:, 1:]),
        (picture_CHW[:, :, :-1], picture_CHW[:, :, 1:]),
    ):
        flow_CHW = after_CHW - before_CHW
        flow_CHW *= side
        before_CHW += flow_CHW
        after_CHW -= flow_CHW
