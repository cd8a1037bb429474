"""SphereNet: the residual network of SphereFace (Liu et al., CVPR 2017, table 2), which FedFace uses with 64 layers.

Four stages, each a stride-2 3×3 convolution and then residual blocks of two 3×3 convolutions. PReLU after every convolution,
no BatchNorm, so that federated averaging touches nothing but weights. Shapes: N images, C channels, H×W pixels.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.network import EmbeddingNetwork, convolution, linear
from fedface_learning.models.prelu import PReLU

# Residual blocks of each stage. The number in the name counts the convolutions.
_BLOCKS: Final = {
    "spherenet-4": (0, 0, 0, 0),
    "spherenet-10": (0, 1, 2, 0),
    "spherenet-20": (1, 2, 4, 1),
    "spherenet-36": (2, 4, 8, 2),
    "spherenet-64": (3, 8, 16, 3),
}


class SphereNet(EmbeddingNetwork):
    """SphereNet with the plan's widths, one for each stage, and any input size."""

    def __init__(self, plan: ModelPlan) -> None:
        super().__init__(plan, pixel_mean=(127.5,) * plan.channels, pixel_scale=128.0)
        stages: list[nn.Module] = []
        inputs: int = plan.channels
        height, width = plan.height, plan.width
        for outputs, blocks in zip(plan.widths, _BLOCKS[plan.architecture], strict=True):
            opening = convolution(inputs, outputs, 3, stride=2, padding=1)
            stages.append(nn.Sequential(opening, PReLU(outputs), *(_ResidualBlock(outputs) for _ in range(blocks))))
            inputs, height, width = outputs, math.ceil(height / 2), math.ceil(width / 2)
        self.stages = nn.Sequential(*stages)
        self.embedding = linear(inputs * height * width, plan.embedding_size, bias=True)

    def features_of_pixels(self, pixels_NCHW: Tensor) -> Tensor:
        """See `EmbeddingNetwork.features_of_pixels`."""
        return self.embedding(self.stages(pixels_NCHW).flatten(1))  # type: ignore[no-any-return]

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """As SphereFace's published definition: Caffe's Xavier, but N(0, 0.01²) inside residual blocks; biases zero."""
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
    """x + two 3×3 convolutions of x, of equal width."""

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
