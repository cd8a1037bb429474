"""InsightFace's iresnet in plain PyTorch, of any widths and depths, and its ONNX graphs as people export them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """The residual block of InsightFace's `iresnet.py`, whose parts keep its names."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        if stride == 2:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return y + (self.downsample(x) if hasattr(self, "downsample") else x)


class PlainIResNet(nn.Module):
    """InsightFace's network; ``scaled`` has the graph subtract 127.5 and multiply by 1/128, as MXNet's exports do."""

    def __init__(
        self, widths: Sequence[int], depths: Sequence[int], size: int, features: int, *, scaled: bool = False
    ) -> None:
        super().__init__()
        self.scaled = scaled
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.prelu = nn.PReLU(widths[0])
        before = widths[0]
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            blocks = [Block(before if place == 0 else width, width, 2 if place == 0 else 1) for place in range(depth)]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
            before = width
        self.stages = len(widths)
        self.bn2 = nn.BatchNorm2d(before)
        self.fc = nn.Linear(before * (size // 2**self.stages) ** 2, features)
        self.features = nn.BatchNorm1d(features)

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, D) of scaled pixels."""
        x = (x - 127.5) * 0.0078125 if self.scaled else x
        x = self.prelu(self.bn1(self.conv1(x)))
        for number in range(1, self.stages + 1):
            x = getattr(self, f"layer{number}")(x)
        y: Tensor = self.features(self.fc(torch.flatten(self.bn2(x), 1)))
        return y


def small_iresnet(depths: Sequence[int] = (2, 1), *, scaled: bool = False) -> PlainIResNet:
    """An iresnet with random weights and statistics, in evaluation mode, that takes 8×8 pixels."""
    torch.manual_seed(3)
    network = PlainIResNet([4, 6][: len(depths)], depths, 8, 5, scaled=scaled).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
        elif isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0, 0.5)
    return network


def exported(network: nn.Module, size: int = 8, *, merged: bool = True) -> bytes:
    """The network's ONNX graph; ``merged`` is as exporters make it: BatchNorms in convolutions, numbers for names."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, size, size),),
            file,  # type: ignore[arg-type]  # a file does, without dynamo
            dynamo=False,
            opset_version=17,
            training=torch.onnx.TrainingMode.EVAL if merged else torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=merged,
            input_names=["input.1"],
        )
    return file.getvalue()
