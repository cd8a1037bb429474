"""Augmentation of training images: they are mirrored, and moved by a few pixels.

Suffixes of tensor names: N images, C channels, H×W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedface_learning.seeding import generator


def augment(images_NCHW: Tensor, seed: int, step: int, *, flip: bool, shift: int) -> Tensor:
    """Augment the images of a training step. The result has the shape and dtype of the images.

    It depends on nothing but the images, the options, ``seed`` and ``step``. If ``flip`` is set, each image is mirrored,
    left to right, with probability 1/2. Each image is moved by −``shift`` to ``shift`` pixels across and down; the pixels
    at its edge fill what is then empty.
    """
    if flip:
        images_NCHW = _flip_randomly(images_NCHW, generator(seed, "flip", step))
    if shift:
        images_NCHW = _shift_randomly(images_NCHW, shift, generator(seed, "shift", step))
    return images_NCHW


def _flip_randomly(images_NCHW: Tensor, draws: torch.Generator) -> Tensor:
    flipped_N = torch.rand(len(images_NCHW), generator=draws) < 0.5
    return torch.where(flipped_N.view(-1, 1, 1, 1), images_NCHW.flip(-1), images_NCHW)


def _shift_randomly(images_NCHW: Tensor, shift: int, draws: torch.Generator) -> Tensor:
    count, channels, height, width = images_NCHW.shape
    down_N1, across_N1 = torch.randint(-shift, shift + 1, (2, count, 1), generator=draws)
    rows_NH = (torch.arange(height) + down_N1).clamp(0, height - 1)
    columns_NW = (torch.arange(width) + across_N1).clamp(0, width - 1)
    return images_NCHW[
        torch.arange(count).view(-1, 1, 1, 1),
        torch.arange(channels).view(1, -1, 1, 1),
        rows_NH.view(count, 1, height, 1),
        columns_NW.view(count, 1, 1, width),
    ]
