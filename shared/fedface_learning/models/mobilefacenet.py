"""MobileFaceNet (Chen et al., CCBR 2018, table 1): depthwise-separable bottlenecks and a global depthwise convolution.

BatchNorm follows every convolution. Suffixes of tensor names: N images, D dimensions, C channels, H×W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.network import EmbeddingNetwork, convolution, linear
from fedface_learning.models.prelu import PReLU

_REDUCTION = 16  # By four convolutions of stride 2. `ModelPlan` makes sure that it divides height and width.


class MobileFaceNet(EmbeddingNetwork):
    """MobileFaceNet; the plan's widths are those of its three groups of bottlenecks: 64, 128 and 128 in the paper."""

    def __init__(self, plan: ModelPlan) -> None:
        """Build the layers without values."""
        super().__init__(plan, pixel_mean=(127.5,) * plan.channels, pixel_scale=128.0)
        first, second, third = plan.widths
        last = 4 * third
        self.trunk = nn.Sequential(
            *_convolution_and_norm(plan.channels, first, 3, stride=2, padding=1),
            PReLU(first),
            *_convolution_and_norm(first, first, 3, padding=1, groups=first),
            PReLU(first),
            *_bottlenecks(first, first, repeats=5, expansion=2, stride=2),
            *_bottlenecks(first, second, repeats=1, expansion=4, stride=2),
            *_bottlenecks(second, second, repeats=6, expansion=2, stride=1),
            *_bottlenecks(second, third, repeats=1, expansion=4, stride=2),
            *_bottlenecks(third, third, repeats=2, expansion=2, stride=1),
            *_convolution_and_norm(third, last, 1),
            PReLU(last),
            # The global depthwise convolution has a weight for each position in the face; pooling would weigh all alike.
            *_convolution_and_norm(last, last, (plan.height // _REDUCTION, plan.width // _REDUCTION), groups=last),
        )
        self.embedding = linear(last, plan.embedding_size, bias=False)

    def features_of_pixels(self, pixels_NCHW: Tensor) -> Tensor:
        """The features (N, D), float32, of pixels as `EmbeddingNetwork.pixels` gives them."""
        return self.embedding(self.trunk(pixels_NCHW).flatten(1))  # type: ignore[no-any-return]

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights by He's normal initialisation (fan-out); BatchNorm and PReLU start with torch's own values."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
            elif isinstance(module, PReLU):
                module.weight.fill_(0.25)


class _Bottleneck(nn.Module):
    """A 1×1 convolution that expands, a depthwise one, and a linear 1×1 projection; a shortcut if the shape stays."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = expansion * inputs
        self.shortcut = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            *_convolution_and_norm(inputs, inner, 1),
            PReLU(inner),
            *_convolution_and_norm(inner, inner, 3, stride=stride, padding=1, groups=inner),
            PReLU(inner),
            *_convolution_and_norm(inner, outputs, 1),
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = self.layers(x_NCHW)
        return x_NCHW + y_NCHW if self.shortcut else y_NCHW


def _bottlenecks(inputs: int, outputs: int, *, repeats: int, expansion: int, stride: int) -> list[_Bottleneck]:
    """A row of the paper's table: ``repeats`` bottlenecks, of which only the first has the stride."""
    rest = [_Bottleneck(outputs, outputs, expansion, stride=1) for _ in range(repeats - 1)]
    return [_Bottleneck(inputs, outputs, expansion, stride), *rest]


def _convolution_and_norm(
    inputs: int, outputs: int, kernel: int | tuple[int, int], **options: int
) -> tuple[nn.Module, nn.Module]:
    """A convolution without bias and the BatchNorm that follows it."""
    if kernel == 1:
        # Dilation changes nothing in a kernel of one weight. But without it, torch chooses another implementation for fewer
        # than 16 images on one CPU thread, with which the whole network trains at half to two thirds of the speed.
        options["dilation"] = 2
    return convolution(inputs, outputs, kernel, bias=False, **options), nn.BatchNorm2d(outputs)
