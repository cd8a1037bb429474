"""SphereNet: the residual network of SphereFace (Liu et al., CVPR 2017, table 2), which FedFace uses with 64 layers.

It has four stages, each of a 3×3 convolution of stride 2 and then residual blocks of two 3×3 convolutions. PReLU follows
every convolution. There is no BatchNorm, so federated averaging has nothing to average but weights.
Suffixes of tensor names: N images, D dimensions, C channels, H×W pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fedface_core.domain.network_size import SPHERENET_BLOCKS
from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.network import EmbeddingNetwork, convolution, linear
from fedface_learning.models.prelu import PReLU


class SphereNet(EmbeddingNetwork):
    """SphereNet for any image size; the plan's widths are the channels of its four stages."""

    def __init__(self, plan: ModelPlan) -> None:
        """Build the layers without values."""
        super().__init__(plan, pixel_mean=(127.5,) * plan.channels, pixel_scale=128.0)
        stages: list[nn.Module] = []
        inputs: int = plan.channels
        height = plan.height
        width = plan.width
        for outputs, blocks in zip(plan.widths, SPHERENET_BLOCKS[plan.architecture], strict=True):
            opening = convolution(inputs, outputs, 3, stride=2, padding=1)
            stages.append(nn.Sequential(opening, PReLU(outputs), *(_ResidualBlock(outputs) for _ in range(blocks))))
            inputs = outputs
            height = math.ceil(height / 2)
            width = math.ceil(width / 2)
        self.stages = nn.Sequential(*stages)
        self.embedding = linear(inputs * height * width, plan.embedding_size, bias=True)

    def features_of_pixels(self, pixels_NCHW: Tensor) -> Tensor:
        """The features (N, D), float32, of pixels as `EmbeddingNetwork.pixels` gives them."""
        return self.embedding(self.stages(pixels_NCHW).flatten(1))  # type: ignore[no-any-return]

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights as SphereFace's published definition does.

        By Caffe's Xavier initialisation, but from N(0, 0.01²) in residual blocks; biases are 0, slopes of PReLU 0.25.
        """
        for name, module in self.named_modules():
            if isinstance(module, PReLU):
                module.weight.fill_(0.25)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                assert module.bias is not None
                module.bias.zero_()
                if ".residual." in name:
                    module.weight.normal_(0.0, 0.01, generator=generator)
                else:
                    bound = math.sqrt(3.0 / module.weight[0].numel())
                    module.weight.uniform_(-bound, bound, generator=generator)


class _ResidualBlock(nn.Module):
    """The sum of x and two 3×3 convolutions of x, which keep the number of channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            convolution(width, width, 3, padding=1),
            PReLU(width),
            convolution(width, width, 3, padding=1),
            PReLU(width),
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return x_NCHW + self.residual(x_NCHW)  # type: ignore[no-any-return]
