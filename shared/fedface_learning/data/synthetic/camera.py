"""The camera: exposure, white balance, a gamma curve (here the square root), blur, noise, and 8 bits.

Suffixes of array names: N images, C colours, H×W pixels, K bytes of noise for each pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedface_learning.data.synthetic.canvas import Canvas
from fedface_learning.data.synthetic.scene import Plane, Scene

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, which Pillow uses too
_NOISE_SCALE = 2.45  # The sum of two bytes has a standard deviation of 256/√6; this factor makes it 255.


def photograph(
    canvas: Canvas, scene: Scene, channels: int, noise_generators: Sequence[np.random.Generator]
) -> NDArray[np.uint8]:
    """The photographs (N, C, H, W), uint8, of the canvas in 1 (grey) or 3 (RGB) channels.

    ``noise_generators`` has one generator for each image, which draws its noise.
    """
    balance_NC11 = np.stack([1.0 + scene.warmth, np.ones_like(scene.warmth), 1.0 - scene.warmth], axis=1)
    # The contrast and the 255 levels are multiplied, squared, before the square root: this saves a pass over the pixels.
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
    # Noise is the sum of two random bytes: nearly normal, and equal on every machine.
    bytes_NKHW = np.stack([np.frombuffer(generator.bytes(2 * height * width), np.uint8) for generator in noise_generators])
    bytes_NKHW = bytes_NKHW.reshape(-1, 2, height, width)
    strength = _NOISE_SCALE * scene.noise
    noise_NHW = bytes_NKHW[:, 0].astype(np.float32)
    noise_NHW += bytes_NKHW[:, 1]
    noise_NHW *= strength
    # Less contrast moves all values closer to a dark grey. 255 is the mean of the sum of two bytes; 0.5 rounds.
    noise_NHW += 76.5 * (1.0 - scene.contrast) + 0.5 - 255.0 * strength
    pictures_NCHW += noise_NHW[:, None]
    return np.clip(pictures_NCHW, 0.0, 255.0, out=pictures_NCHW).astype(np.uint8)


def _blur(picture_CHW: Plane, deviation: float) -> None:
    """Blur a picture in place, nearly by a Gaussian of this standard deviation in pixels, in passes of a 1-2-1 filter."""
    variance = deviation * deviation
    while variance > 0.01:
        share = min(variance, 0.5)  # A pass with the weights share/2, 1 − share and share/2 adds the variance ``share``.
        _smooth(picture_CHW, share / 2)
        variance -= share


def _smooth(picture_CHW: Plane, side: float) -> None:
    """Filter the columns and the rows in place: neighbours exchange the share ``side`` of their difference."""
    for before_CHW, after_CHW in (
        (picture_CHW[:, :-1], picture_CHW[:, 1:]),
        (picture_CHW[:, :, :-1], picture_CHW[:, :, 1:]),
    ):
        flow_CHW = after_CHW - before_CHW
        flow_CHW *= side
        before_CHW += flow_CHW
        after_CHW -= flow_CHW
