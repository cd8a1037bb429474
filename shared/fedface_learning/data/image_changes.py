"""The changes that augmentation makes to images, each by numbers that are given for every image.

The numbers are where the images are, except counts that the CPU goes by (parts and passes).
What changes tones or resolution takes and gives uint8, 0 black to 255 white.
Suffixes of tensor names: N images, C channels, H×W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedface_learning.device import moved

GREY = 128
_WHITE = 255


def flipped(images_NCHW: Tensor, flipped_N: Tensor) -> Tensor:
    """Mirror the images, left to right, that ``flipped_N`` (bool) says."""
    return torch.where(flipped_N.view(-1, 1, 1, 1), images_NCHW.flip(-1), images_NCHW)


def shifted(images_NCHW: Tensor, down_N1: Tensor, across_N1: Tensor) -> Tensor:
    """Move each image's frame by so many pixels, int64; the pixels at the image's edge fill what is then empty."""
    count, channels, height, width = images_NCHW.shape
    device = images_NCHW.device
    rows_NH = (torch.arange(height, device=device) + down_N1).clamp(0, height - 1)
    columns_NW = (torch.arange(width, device=device) + across_N1).clamp(0, width - 1)
    return images_NCHW[
        torch.arange(count, device=device).view(-1, 1, 1, 1),
        torch.arange(channels, device=device).view(1, -1, 1, 1),
        rows_NH.view(count, 1, height, 1),
        columns_NW.view(count, 1, 1, width),
    ]


def contrasted(images_NCHW: Tensor, factor_N: Tensor) -> Tensor:
    """Multiply each pixel's difference from its image's mean, over all channels, by the image's factor."""
    mean_N = images_NCHW.sum(dim=(1, 2, 3), dtype=torch.int64).double() / images_NCHW[0].numel()
    mean_N111 = mean_N.float().view(-1, 1, 1, 1)
    return _as_bytes((images_NCHW - mean_N111) * factor_N.view(-1, 1, 1, 1) + mean_N111)


def brightened(images_NCHW: Tensor, factor_N: Tensor) -> Tensor:
    """Multiply each pixel by its image's factor."""
    return _as_bytes(images_NCHW * factor_N.view(-1, 1, 1, 1))


def gamma_corrected(images_NCHW: Tensor, factor_N: Tensor) -> Tensor:
    """Make v/(v + k(1 − v)) of each pixel v, from 0 to 1, where k is its image's factor.

    It is Schlick's rational stand-in for gamma (*Graphics Gems IV*, 1994), which every processor rounds in one way. Black
    and white stay, and the middle becomes 1/(1 + k), as with gamma log₂(1 + k).
    """
    dark_NCHW = (_WHITE - images_NCHW.float()) * factor_N.view(-1, 1, 1, 1)
    return _as_bytes(images_NCHW * float(_WHITE) / (images_NCHW + dark_NCHW))


def reduced(images_NCHW: Tensor, parts_N: Tensor) -> Tensor:
    """Reduce each image to one n-th of its height and width, where n (int64) is given for it, and enlarge it again.

    Blocks of n×n pixels become their mean; the edge is repeated where the last block is not full. It is enlarged by straight
    lines between the middles of blocks.
    """
    result_NCHW = images_NCHW.clone()
    for parts in sorted(set(parts_N.tolist())):
        if parts > 1:
            chosen_n = moved((parts_N == parts).nonzero().squeeze(1), images_NCHW.device)
            result_NCHW[chosen_n] = _reduced_alike(images_NCHW[chosen_n], parts)
    return result_NCHW


def blurred(images_NCHW: Tensor, passes_N: Tensor) -> Tensor:
    """Blur each image by so many passes of the filter (1, 2, 1)/4, down and across; the edge is repeated outwards."""
    result_NCHW = images_NCHW
    for done in range(int(passes_N.max()) if len(passes_N) else 0):
        sums_NCHW = _filtered(_filtered(result_NCHW.to(torch.int16), 2), 3)
        once_NCHW = ((sums_NCHW + 8) >> 4).to(torch.uint8)
        result_NCHW = torch.where(moved(passes_N > done, images_NCHW.device).view(-1, 1, 1, 1), once_NCHW, result_NCHW)
    return result_NCHW


def covered(images_NCHW: Tensor, covered_N: Tensor, top_N: Tensor, left_N: Tensor, size: tuple[int, int]) -> Tensor:
    """Put a grey patch of ``size``, rows and columns, on each image that ``covered_N`` (bool) says, with this corner."""
    _, _, height, width = images_NCHW.shape
    rows, columns = size
    below_NH = torch.arange(height, device=top_N.device) - top_N.view(-1, 1)
    right_NW = torch.arange(width, device=left_N.device) - left_N.view(-1, 1)
    in_rows_NH = (below_NH >= 0) & (below_NH < rows) & covered_N.view(-1, 1)
    in_columns_NW = (right_NW >= 0) & (right_NW < columns)
    patch_N1HW = in_rows_NH[:, None, :, None] & in_columns_NW[:, None, None, :]
    return images_NCHW.masked_fill(patch_N1HW, GREY)


def _as_bytes(values: Tensor) -> Tensor:
    return values.round().clamp(0, _WHITE).to(torch.uint8)


def _filtered(values_NCHW: Tensor, axis: int) -> Tensor:
    """The sum of each pixel, twice, and of both its neighbours along an axis."""
    inner = values_NCHW.shape[axis] - 1
    before = torch.cat([values_NCHW.narrow(axis, 0, 1), values_NCHW.narrow(axis, 0, inner)], axis)
    after = torch.cat([values_NCHW.narrow(axis, 1, inner), values_NCHW.narrow(axis, inner, 1)], axis)
    return before.add_(after).add_(values_NCHW, alpha=2)


def _reduced_alike(images_NCHW: Tensor, parts: int) -> Tensor:
    count, channels, height, width = images_NCHW.shape
    blocks_high = -(-height // parts)
    blocks_wide = -(-width // parts)
    rows = torch.arange(blocks_high * parts, device=images_NCHW.device).clamp(max=height - 1)
    columns = torch.arange(blocks_wide * parts, device=images_NCHW.device).clamp(max=width - 1)
    full_NCHW = images_NCHW.index_select(2, rows).index_select(3, columns)
    blocks = full_NCHW.reshape(count, channels, blocks_high, parts, blocks_wide, parts)
    small_NCHW = blocks.sum(dim=(3, 5), dtype=torch.int64).float() / parts**2
    return _as_bytes(_enlarged(_enlarged(small_NCHW, 2, parts, height), 3, parts, width))


def _enlarged(small_NCHW: Tensor, axis: int, parts: int, size: int) -> Tensor:
    """Straight lines between the values along an axis, which are the middles of blocks of ``parts`` pixels."""
    last = small_NCHW.shape[axis] - 1
    # In half pixels, so that the places are whole numbers.
    place = (2 * torch.arange(size, device=small_NCHW.device) + 1 - parts).clamp(0, 2 * parts * last)
    lower = place // (2 * parts)
    share = (place - 2 * parts * lower).float() / (2 * parts)
    share = share.view([-1 if each == axis else 1 for each in range(4)])
    before = small_NCHW.index_select(axis, lower)
    after = small_NCHW.index_select(axis, (lower + 1).clamp(max=last))
    return before * (1 - share) + after * share
