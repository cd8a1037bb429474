"""How alike two images are to a person: the structural similarity index (SSIM).

Wang et al., *Image Quality Assessment: From Error Visibility to Structural Similarity*, IEEE TIP 2004, with the paper's
constants: a Gaussian window of 11×11 pixels and σ = 1.5, K₁ = 0.01, K₂ = 0.03. Suffixes: C channels, H×W pixels.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import conv2d

WINDOW: Final = 11
"""Pixels; images must be as large."""
_SIGMA: Final = 1.5
_RANGE: Final = 255.0
_C1: Final = (0.01 * _RANGE) ** 2
_C2: Final = (0.03 * _RANGE) ** 2


def structural_similarity(one_CHW: Tensor, other_CHW: Tensor) -> float:
    """The mean SSIM over windows and channels of two images (C, H, W), uint8, of 11 pixels a side at least: 1 if equal."""
    assert one_CHW.shape == other_CHW.shape, "images of one size"
    assert min(one_CHW.shape[-2:]) >= WINDOW, "a window fits into the images"
    x = one_CHW.double().unsqueeze(1)
    y = other_CHW.double().unsqueeze(1)
    mean_x = _windows(x)
    mean_y = _windows(y)
    variance_x = _windows(x * x) - mean_x.square()
    variance_y = _windows(y * y) - mean_y.square()
    covariance = _windows(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    most = (mean_x.square() + mean_y.square() + _C1) * (variance_x + variance_y + _C2)
    return float((likeness / most).mean())


def _windows(values: Tensor) -> Tensor:
    """The weighted mean of each window."""
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    weights /= weights.sum()
    return conv2d(values, torch.outer(weights, weights).view(1, 1, WINDOW, WINDOW))
