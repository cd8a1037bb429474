"""Other views of training images: mirrored, and moved by a few pixels. N images of C×H×W."""

from __future__ import annotations

import torch
from torch import Tensor

from fedface_learning.seeding import generator


def augment(images_NCHW: Tensor, seed: int, step: int, *, flip: bool, shift: int) -> Tensor:
    """The images as training step ``step`` sees them, of the same dtype; the same for the same ``seed`` and ``step``.

    With ``flip`` each is mirrored, left to right, half of the time. With ``shift`` each is moved by up to so many pixels,
    across and down; the pixels of its edge fill what is then empty.
    """
    if flip:
        images_NCHW = _mirrored(images_NCHW, generator(seed, "flip", step))
    if shift:
        images_NCHW = _moved(images_NCHW, shift, generator(seed, "shift", step))
    return images_NCHW


def _mirrored(images_NCHW: Tensor, draws: torch.Generator) -> Tensor:
    flipped_N = torch.rand(len(images_NCHW), generator=draws) < 0.5
    return torch.where(flipped_N.view(-1, 1, 1, 1), images_NCHW.flip(-1), images_NCHW)


def _moved(images_NCHW: Tensor, shift: int, draws: torch.Generator) -> Tensor:
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
