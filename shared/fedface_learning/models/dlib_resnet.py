"""dlib's face recognition network (Davis King, 2017): a ResNet of 29 convolutions, from 150×150 RGB pixels to 128 numbers.

dlib has frozen its BatchNorm layers to affine ones: here a trainable scale and shift for each channel. dlib's convolutions
also have a bias. A bias and a shift do one thing, so the bias becomes part of the shift when the published weights are read.
Suffixes of tensor names: N images, D dimensions, C channels, H×W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.network import EmbeddingNetwork, convolution, linear


class DlibResNet(EmbeddingNetwork):
    """dlib's face recognition network, whose size `ModelPlan` fixes."""

    def __init__(self, plan: ModelPlan) -> None:
        """Build the layers without values."""
        super().__init__(plan, pixel_mean=(122.782, 117.001, 104.298), pixel_scale=256.0)
        a, b, c, d = plan.widths
        self.stem = ScaledConvolution(plan.channels, a, kernel=7, stride=2)
        self.blocks = nn.Sequential(
            *(ResidualBlock(a, a) for _ in range(3)),
            ResidualBlock(a, b, down=True),
            *(ResidualBlock(b, b) for _ in range(3)),
            ResidualBlock(b, c, down=True),
            *(ResidualBlock(c, c) for _ in range(2)),
            ResidualBlock(c, d, down=True),
            *(ResidualBlock(d, d) for _ in range(2)),
            ResidualBlock(d, d, down=True),
        )
        self.embedding = linear(d, plan.embedding_size, bias=False)

    def features_of_pixels(self, pixels_NCHW: Tensor) -> Tensor:
        """The features (N, D), float32, of pixels as `EmbeddingNetwork.pixels` gives them."""
        stem_NCHW = functional.max_pool2d(self.stem(pixels_NCHW).relu_(), 3, stride=2)
        return self.embedding(self.blocks(stem_NCHW).mean(dim=(2, 3)))  # type: ignore[no-any-return]

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights by He's normal initialisation; scales are 1 and shifts 0.

        The last scale of each residual block is 0, so that the deep network can be trained without BatchNorm.
        """
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, generator=generator)
            if isinstance(module, ScaledConvolution):
                module.scale.fill_(0.0 if name.endswith(".second") else 1.0)
                module.shift.zero_()


class ScaledConvolution(nn.Module):
    """dlib's ``affine<con<…>>``: a convolution, then a scale and a shift for each channel."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int) -> None:
        """A square ``kernel`` from ``inputs`` to ``outputs`` channels; the input is padded only if ``stride`` is 1."""
        super().__init__()
        padding = kernel // 2 if stride == 1 else 0
        self.convolution = convolution(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.scale = nn.Parameter(torch.ones(outputs))
        self.shift = nn.Parameter(torch.zeros(outputs))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Convolve, scale and shift: (N, inputs, H, W) to (N, outputs, H', W')."""
        y_NCHW: Tensor = self.convolution(x_NCHW)
        return torch.addcmul(self.shift.view(-1, 1, 1), y_NCHW, self.scale.view(-1, 1, 1))


class ResidualBlock(nn.Module):
    """dlib's residual blocks ``ares`` and ``ares_down``."""

    def __init__(self, inputs: int, outputs: int, *, down: bool = False) -> None:
        """``down`` makes it ``ares_down``, which halves height and width, and whose shortcut is an average pooling."""
        super().__init__()
        self.down = down
        self.first = ScaledConvolution(inputs, outputs, kernel=3, stride=2 if down else 1)
        self.second = ScaledConvolution(outputs, outputs, kernel=3, stride=1)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Two scaled convolutions plus the shortcut: (N, inputs, H, W) to (N, outputs, H', W')."""
        y_NCHW: Tensor = self.second(self.first(x_NCHW).relu_())
        if self.down:
            return _add_zero_padded(y_NCHW, functional.avg_pool2d(x_NCHW, 2)).relu_()
        return (y_NCHW + x_NCHW).relu_()


def _add_zero_padded(x_NCHW: Tensor, y_NCHW: Tensor) -> Tensor:
    """dlib's ``add_prev``: the sum of two tensors, each padded with zeros after its last channel, row and column."""
    _, channels, height, width = (max(sizes) for sizes in zip(x_NCHW.shape, y_NCHW.shape, strict=True))

    def padded(z_NCHW: Tensor) -> Tensor:
        _, c, h, w = z_NCHW.shape
        return functional.pad(z_NCHW, (0, width - w, 0, height - h, 0, channels - c))

    return padded(x_NCHW) + padded(y_NCHW)
