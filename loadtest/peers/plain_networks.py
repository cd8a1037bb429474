"""The two networks as one writes them from their papers in plain PyTorch, for the limit that owes nothing to our own code.

Their tensors have the names and shapes of `fedface_learning.models`, so that both take the same weights. N images, C
channels, H×W pixels, D dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedface_core.domain.plan import ModelPlan


class PlainSphereNet(nn.Module):
    """SphereNet with four convolutions."""

    def __init__(self, plan: ModelPlan) -> None:
        super().__init__()
        channels, height, width = (plan.channels, *plan.widths), plan.height, plan.width
        stages = []
        for inputs, outputs in zip(channels, plan.widths, strict=False):
            stages.append(nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.PReLU(outputs)))
            height, width = (height + 1) // 2, (width + 1) // 2
        self.stages = nn.Sequential(*stages)
        self.embedding = nn.Linear(plan.widths[-1] * height * width, plan.embedding_size)
        self.register_buffer("centre", torch.zeros(plan.embedding_size))  # part of our models; zeros without centring

    def embed(self, pixels_NCHW: Tensor) -> Tensor:
        """The linear embedding (N, D) of normalised pixels."""
        embedding_ND: Tensor = self.embedding(self.stages(pixels_NCHW).flatten(1))
        return embedding_ND


class PlainMobileFaceNet(nn.Module):
    """MobileFaceNet."""

    def __init__(self, plan: ModelPlan) -> None:
        super().__init__()
        first, second, third = plan.widths
        last = 4 * third
        rows = ((first, first, 2, 2), *[(first, first, 2, 1)] * 4, (first, second, 4, 2), *[(second, second, 2, 1)] * 6)
        rows += ((second, third, 4, 2), *[(third, third, 2, 1)] * 2)
        self.trunk = nn.Sequential(
            nn.Conv2d(plan.channels, first, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.PReLU(first),
            nn.Conv2d(first, first, 3, padding=1, groups=first, bias=False),
            nn.BatchNorm2d(first),
            nn.PReLU(first),
            *(_Bottleneck(*row) for row in rows),
            nn.Conv2d(third, last, 1, bias=False),
            nn.BatchNorm2d(last),
            nn.PReLU(last),
            nn.Conv2d(last, last, (plan.height // 16, plan.width // 16), groups=last, bias=False),
            nn.BatchNorm2d(last),
        )
        self.embedding = nn.Linear(last, plan.embedding_size, bias=False)
        self.register_buffer("centre", torch.zeros(plan.embedding_size))

    def embed(self, pixels_NCHW: Tensor) -> Tensor:
        """The linear embedding (N, D) of normalised pixels."""
        embedding_ND: Tensor = self.embedding(self.trunk(pixels_NCHW).flatten(1))
        return embedding_ND


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = expansion * inputs
        self._shortcut = stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = self.layers(x_NCHW)
        return x_NCHW + y_NCHW if self._shortcut else y_NCHW


def plain_network(plan: ModelPlan) -> PlainSphereNet | PlainMobileFaceNet:
    """The plan's network in plain PyTorch."""
    return PlainMobileFaceNet(plan) if plan.architecture == "mobilefacenet" else PlainSphereNet(plan)
