"""The improved residual networks of face recognition (Deng et al., ArcFace, CVPR 2019), in the three forms that people use.

A residual block normalises first and has two 3×3 convolutions, of which the second takes the stride. There are four stages,
each of which halves height and width, and the last one's whole map feeds the embedding layer. The forms differ in details:

- ``iresnet``: InsightFace's. BatchNorm also follows the first convolution of a block, and a convolution makes the shortcut
  wherever the stride is 2.
- ``adaface-ir``: AdaFace's. As ``iresnet``, but where the width stays, a shortcut of stride 2 only takes every second pixel.
- ``ir``: face.evoLVe's. As ``adaface-ir``, without BatchNorm after the first convolution.

``-se-`` adds squeeze-and-excitation (Hu et al., CVPR 2018) to each block.

All authors end with a BatchNorm of the features. Here it is a part of the embedding layer, as it is in evaluation: a
client's images show one person, and features minus their mean over one person's images would not say who it is. Dropout,
which the authors have before the embedding layer, is left out.
Suffixes of tensor names: N images, D dimensions, C channels, H×W pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fedface_core.domain.network_size import SQUEEZED, improved_blocks
from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.network import EmbeddingNetwork, convolution, draw_as_torch_does, linear
from fedface_learning.models.prelu import PReLU


class ImprovedResNet(EmbeddingNetwork):
    """An improved residual network for any image size; the plan's widths are the channels of its four stages."""

    def __init__(self, plan: ModelPlan) -> None:
        """Build the layers without values."""
        super().__init__(plan, pixel_mean=(127.5,) * plan.channels, pixel_scale=127.5)
        self._family = plan.family
        inputs: int = plan.widths[0]
        height = plan.height
        width = plan.width
        self.stem = nn.Sequential(
            convolution(plan.channels, inputs, 3, padding=1, bias=False), nn.BatchNorm2d(inputs), PReLU(inputs)
        )
        blocks: list[nn.Module] = []
        for outputs, count in zip(plan.widths, improved_blocks(plan), strict=True):
            blocks.append(self._block(inputs, outputs, stride=2))
            blocks += [self._block(outputs, outputs, stride=1) for _ in range(count - 1)]
            inputs = outputs
            height = math.ceil(height / 2)
            width = math.ceil(width / 2)
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(inputs)
        self.embedding = linear(inputs * height * width, plan.embedding_size, bias=True)

    def _block(self, inputs: int, outputs: int, stride: int) -> _ResidualBlock:
        return _ResidualBlock(
            inputs,
            outputs,
            stride,
            inner_norm=self._family != "ir",
            projects=inputs != outputs or (stride != 1 and self._family == "iresnet"),
            squeezes="-se-" in self.plan.architecture,
        )

    def features_of_pixels(self, pixels_NCHW: Tensor) -> Tensor:
        """The features (N, D), float32, of pixels as `EmbeddingNetwork.pixels` gives them."""
        return self.embedding(self.norm(self.blocks(self.stem(pixels_NCHW))).flatten(1))  # type: ignore[no-any-return]

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights as the authors do; BatchNorm and PReLU start with torch's own values.

        InsightFace draws convolutions from N(0, 0.1²) and the embedding layer as torch does. AdaFace draws all by He's
        normal initialisation (fan-out), with biases of 0. face.evoLVe leaves all to torch.
        """
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
            elif isinstance(module, PReLU):
                module.weight.fill_(0.25)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                self._draw(module, generator)

    def _draw(self, layer: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
        if self._family == "iresnet" and isinstance(layer, nn.Conv2d):
            layer.weight.normal_(0.0, 0.1, generator=generator)
        elif self._family == "adaface":
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", generator=generator)
            if layer.bias is not None:
                layer.bias.zero_()
        else:
            draw_as_torch_does(layer, generator)


class _ResidualBlock(nn.Module):
    """BatchNorm and two 3×3 convolutions, plus a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, inner_norm: bool, projects: bool, squeezes: bool) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(inputs),
            convolution(inputs, outputs, 3, padding=1, bias=False),
            *([nn.BatchNorm2d(outputs)] if inner_norm else []),
            PReLU(outputs),
            convolution(outputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            *([_SqueezeAndExcitation(outputs)] if squeezes else []),
        )
        self.stride = stride
        self.projection = (
            nn.Sequential(convolution(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
            if projects
            else None
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        shortcut_NCHW = x_NCHW[:, :, :: self.stride, :: self.stride] if self.projection is None else self.projection(x_NCHW)
        return self.residual(x_NCHW) + shortcut_NCHW  # type: ignore[no-any-return]


class _SqueezeAndExcitation(nn.Module):
    """Weighs each channel by a number from 0 to 1, which follows from the means of all channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze = convolution(width, width // SQUEEZED, 1, bias=False)
        self.excite = convolution(width // SQUEEZED, width, 1, bias=False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        means_NC11 = x_NCHW.mean(dim=(2, 3), keepdim=True)
        weights_NC11: Tensor = self.excite(self.squeeze(means_NC11).relu_()).sigmoid()
        return x_NCHW * weights_NC11
