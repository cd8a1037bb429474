"""MobileFaceNet (Chen et al., CCBR 2018, table 1): depthwise-separable bottlenecks and a global depthwise convolution.

Every convolution is followed by BatchNorm. Shapes: N images, C channels, H×W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.network import EmbeddingNetwork, convolution, linear
from fedface_learning.models.prelu import PReLU

_REDUCTION = 16  # Four convolutions of stride 2; the plan sees to it that this divides both sides.


class MobileFaceNet(EmbeddingNetwork):
    """MobileFaceNet; the plan's widths are those of its three groups of bottlenecks, 64, 128 and 128 in the paper."""

    def __init__(self, plan: ModelPlan) -> None:
        super().__init__(plan, pixel_mean=(127.5,) * plan.channels, pixel_scale=128.0)
        first, second, third = plan.widths
        last = 4 * third
        self.trunk = nn.Sequential(
            *_normalised(plan.channels, first, 3, stride=2, padding=1),
            PReLU(first),
            *_normalised(first, first, 3, padding=1, groups=first),
            PReLU(first),
            *_bottlenecks(first, first, repeats=5, expansion=2, stride=2),
            *_bottlenecks(first, second, repeats=1, expansion=4, stride=2),
            *_bottlenecks(second, second, repeats=6, expansion=2, stride=1),
            *_bottlenecks(second, third, repeats=1, expansion=4, stride=2),
            *_bottlenecks(third, third, repeats=2, expansion=2, stride=1),
            *_normalised(third, last, 1),
            PReLU(last),
            # The global depthwise convolution weighs each place of the face by itself, where pooling would not.
            *_normalised(last, last, (plan.height // _REDUCTION, plan.width // _REDUCTION), groups=last),
        )
        self.embedding = linear(last, plan.embedding_size, bias=False)

    def features_of_pixels(self, pixels_NCHW: Tensor) -> Tensor:
        """See `EmbeddingNetwork.features_of_pixels`."""
        return self.embedding(self.trunk(pixels_NCHW).flatten(1))  # type: ignore[no-any-return]

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """He's normal initialisation by fan-out; BatchNorm and PReLU as torch starts them."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
            elif isinstance(module, PReLU):
                module.weight.fill_(0.25)


class _Bottleneck(nn.Module):
    """Expand by a 1×1 convolution, filter each channel, project linearly; a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = expansion * inputs
        self.shortcut = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            *_normalised(inputs, inner, 1),
            PReLU(inner),
            *_normalised(inner, inner, 3, stride=stride, padding=1, groups=inner),
            PReLU(inner),
            *_normalised(inner, outputs, 1),
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = self.layers(x_NCHW)
        return x_NCHW + y_NCHW if self.shortcut else y_NCHW


def _bottlenecks(inputs: int, outputs: int, *, repeats: int, expansion: int, stride: int) -> list[_Bottleneck]:
    """A row of the paper's table: only the first of the repeats has the stride. Its expansion is of its own input."""
    rest = [_Bottleneck(outputs, outputs, expansion, stride=1) for _ in range(repeats - 1)]
    return [_Bottleneck(inputs, outputs, expansion, stride), *rest]


def _normalised(inputs: int, outputs: int, kernel: int | tuple[int, int], **options: int) -> tuple[nn.Module, nn.Module]:
    """A convolution without bias and the BatchNorm that follows it."""
    if kernel == 1:
        # Dilation moves nothing where there is one weight. But without it torch takes another kernel for fewer than 16
        # images on one CPU thread, with which the whole network trains at half to two thirds of the speed.
        options["dilation"] = 2
    return convolution(inputs, outputs, kernel, bias=False, **options), nn.BatchNorm2d(outputs)
