"""SphereNet-4 and MobileFaceNet as one writes them from their papers, with torch's own layers only.

Their tensors have the names and shapes of those of `fedface_learning.models`, so that both load one model. N images,
C channels, H×W pixels, D dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from loadtest.bare.workload import NetworkShape


class PlainSphereNet(nn.Module):
    """SphereNet (Liu et al., CVPR 2017) with four convolutions, each followed by PReLU."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        inputs = shape.channels
        height = shape.height
        width = shape.width
        stages = []
        for outputs in shape.widths:
            stages.append(nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.PReLU(outputs)))
            inputs = outputs
            height = (height + 1) // 2
            width = (width + 1) // 2
        self.stages = nn.Sequential(*stages)
        self.embedding = nn.Linear(inputs * height * width, shape.embedding_size)
        self.register_buffer(
            "centre", torch.zeros(shape.embedding_size)
        )  # every model of FedFace has it; zeros without centring

    def embed(self, pixels_NCHW: Tensor) -> Tensor:
        """The linear embedding (N, D) of normalised pixels."""
        embedding_ND: Tensor = self.embedding(self.stages(pixels_NCHW).flatten(1))
        return embedding_ND


class PlainMobileFaceNet(nn.Module):
    """MobileFaceNet (Chen et al., CCBR 2018, table 1)."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        first, second, third = shape.widths
        last = 4 * third
        rows = ((first, first, 2, 2), *[(first, first, 2, 1)] * 4, (first, second, 4, 2), *[(second, second, 2, 1)] * 6)
        rows += ((second, third, 4, 2), *[(third, third, 2, 1)] * 2)
        self.trunk = nn.Sequential(
            nn.Conv2d(shape.channels, first, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.PReLU(first),
            nn.Conv2d(first, first, 3, padding=1, groups=first, bias=False),
            nn.BatchNorm2d(first),
            nn.PReLU(first),
            *(_Bottleneck(*row) for row in rows),
            nn.Conv2d(third, last, 1, bias=False),
            nn.BatchNorm2d(last),
            nn.PReLU(last),
            nn.Conv2d(last, last, (shape.height // 16, shape.width // 16), groups=last, bias=False),
            nn.BatchNorm2d(last),
        )
        self.embedding = nn.Linear(last, shape.embedding_size, bias=False)
        self.register_buffer(
            "centre", torch.zeros(shape.embedding_size)
        )  # every model of FedFace has it; zeros without centring

    def embed(self, pixels_NCHW: Tensor) -> Tensor:
        """The linear embedding (N, D) of normalised pixels."""
        embedding_ND: Tensor = self.embedding(self.trunk(pixels_NCHW).flatten(1))
        return embedding_ND


PlainNetwork = PlainSphereNet | PlainMobileFaceNet


class _Bottleneck(nn.Module):
    """Expand by a 1×1 convolution, filter each channel, project by a 1×1 convolution; add the input if the stride is 1."""

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


def plain_network(shape: NetworkShape) -> PlainNetwork:
    """The network of this shape, in training mode, with weights drawn by torch's default initialisation."""
    if shape.architecture == "mobilefacenet":
        return PlainMobileFaceNet(shape)
    assert shape.architecture == "spherenet-4", f"there is no plain {shape.architecture}"
    return PlainSphereNet(shape)
