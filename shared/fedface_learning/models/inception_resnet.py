"""Inception-ResNet-v1 (Szegedy et al., AAAI 2017, figure 10) with a face embedding, as FaceNet's successors use it.

The form is that of facenet-pytorch: BatchNorm with an epsilon of 0.001 follows each convolution, and residuals are scaled
down before they are added. Its authors end with a BatchNorm of the features, which here is a part of the embedding layer, as
it is in evaluation: a client's images show one person, and features minus their mean over one person's images would not say
who it is. Dropout before the embedding layer is left out.
Suffixes of tensor names: N images, D dimensions, C channels, H×W pixels.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.network import EmbeddingNetwork, convolution, draw_as_torch_does, linear

BATCH_NORM_EPSILON: Final = 0.001

_Kernel = int | tuple[int, int]


class InceptionResNet(EmbeddingNetwork):
    """Inception-ResNet-v1 for images from 75×75 pixels on.

    The plan's one width is that of the first convolution: 32 as published. All other widths are multiples of it.
    """

    def __init__(self, plan: ModelPlan) -> None:
        """Build the layers without values."""
        super().__init__(plan, pixel_mean=(127.5,) * plan.channels, pixel_scale=128.0)
        [w] = plan.widths
        self.trunk = nn.Sequential(
            _unit(plan.channels, w, 3, stride=2),
            _unit(w, w, 3),
            _unit(w, 2 * w, 3, padding=1),
            nn.MaxPool2d(3, stride=2),
            _unit(2 * w, 5 * w // 2, 1),
            _unit(5 * w // 2, 6 * w, 3),
            _unit(6 * w, 8 * w, 3, stride=2),
            *(_block_35(w) for _ in range(5)),
            _Reduction(
                _unit(8 * w, 12 * w, 3, stride=2),
                nn.Sequential(_unit(8 * w, 6 * w, 1), _unit(6 * w, 6 * w, 3, padding=1), _unit(6 * w, 8 * w, 3, stride=2)),
            ),
            *(_block_17(w) for _ in range(10)),
            _Reduction(
                nn.Sequential(_unit(28 * w, 8 * w, 1), _unit(8 * w, 12 * w, 3, stride=2)),
                nn.Sequential(_unit(28 * w, 8 * w, 1), _unit(8 * w, 8 * w, 3, stride=2)),
                nn.Sequential(_unit(28 * w, 8 * w, 1), _unit(8 * w, 8 * w, 3, padding=1), _unit(8 * w, 8 * w, 3, stride=2)),
            ),
            *(_block_8(w, scale=0.2, rectifies=True) for _ in range(5)),
            _block_8(w, scale=1.0, rectifies=False),
        )
        self.embedding = linear(56 * w, plan.embedding_size, bias=True)

    def features_of_pixels(self, pixels_NCHW: Tensor) -> Tensor:
        """The features (N, D), float32, of pixels as `EmbeddingNetwork.pixels` gives them."""
        return self.embedding(self.trunk(pixels_NCHW).mean(dim=(2, 3)))  # type: ignore[no-any-return]

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights and biases as torch does, to which facenet-pytorch leaves it."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                draw_as_torch_does(module, generator)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()


class _ResidualBlock(nn.Module):
    """Branches side by side, whose channels a 1×1 convolution mixes; the result is scaled and added to the input."""

    def __init__(self, *branches: nn.Module, inputs: int, inner: int, scale: float, rectifies: bool = True) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.mix = convolution(inner, inputs, 1)
        self.scale = scale
        self.rectifies = rectifies

    def forward(self, x_NCHW: Tensor) -> Tensor:
        mixed_NCHW: Tensor = self.mix(torch.cat([branch(x_NCHW) for branch in self.branches], dim=1))
        y_NCHW = mixed_NCHW * self.scale + x_NCHW
        return y_NCHW.relu_() if self.rectifies else y_NCHW


class _Reduction(nn.Module):
    """Branches side by side with a maximum pooling, all of stride 2."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        branches = [branch(x_NCHW) for branch in self.branches]
        return torch.cat([*branches, functional.max_pool2d(x_NCHW, 3, stride=2)], dim=1)


def _block_35(w: int) -> _ResidualBlock:
    """The paper's Inception-ResNet-A."""
    return _ResidualBlock(
        _unit(8 * w, w, 1),
        nn.Sequential(_unit(8 * w, w, 1), _unit(w, w, 3, padding=1)),
        nn.Sequential(_unit(8 * w, w, 1), _unit(w, w, 3, padding=1), _unit(w, w, 3, padding=1)),
        inputs=8 * w,
        inner=3 * w,
        scale=0.17,
    )


def _block_17(w: int) -> _ResidualBlock:
    """The paper's Inception-ResNet-B."""
    return _ResidualBlock(
        _unit(28 * w, 4 * w, 1),
        nn.Sequential(
            _unit(28 * w, 4 * w, 1),
            _unit(4 * w, 4 * w, (1, 7), padding=(0, 3)),
            _unit(4 * w, 4 * w, (7, 1), padding=(3, 0)),
        ),
        inputs=28 * w,
        inner=8 * w,
        scale=0.1,
    )


def _block_8(w: int, *, scale: float, rectifies: bool) -> _ResidualBlock:
    """The paper's Inception-ResNet-C."""
    return _ResidualBlock(
        _unit(56 * w, 6 * w, 1),
        nn.Sequential(
            _unit(56 * w, 6 * w, 1),
            _unit(6 * w, 6 * w, (1, 3), padding=(0, 1)),
            _unit(6 * w, 6 * w, (3, 1), padding=(1, 0)),
        ),
        inputs=56 * w,
        inner=12 * w,
        scale=scale,
        rectifies=rectifies,
    )


def _unit(inputs: int, outputs: int, kernel: _Kernel, *, stride: int = 1, padding: _Kernel = 0) -> nn.Sequential:
    """A convolution without bias, BatchNorm and ReLU."""
    return nn.Sequential(
        convolution(inputs, outputs, kernel, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPSILON),
        nn.ReLU(inplace=True),
    )
