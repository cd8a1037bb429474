"""Networks as other projects publish them, written from their descriptions as plain functions of PyTorch.

Each function is a forward pass, and takes a `Published`, which makes the tensor of every name that is asked for. So after a
pass it holds the weights of the network under the published names, and nothing of FedFace has told it names or shapes.
Suffixes of tensor names: N images, C channels, H×W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

Forward = Callable[["Published", Tensor], Tensor]

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 152: (3, 8, 36, 3)}


class Published:
    """The weights of a published network, which are drawn when a forward pass first asks for them."""

    def __init__(self, seed: int = 0, device: str = "cpu") -> None:
        self.tensors: dict[str, Tensor] = {}
        self._draws = torch.Generator().manual_seed(seed)
        self._device = device

    def get(self, name: str, shape: Sequence[int], low: float, high: float) -> Tensor:
        if name not in self.tensors:
            tensor = torch.empty(tuple(shape), device=self._device)
            self.tensors[name] = tensor if self._device == "meta" else tensor.uniform_(low, high, generator=self._draws)
        assert self.tensors[name].shape == tuple(shape), name
        return self.tensors[name]

    def convolution(
        self,
        x_NCHW: Tensor,
        name: str,
        outputs: int,
        kernel: int | tuple[int, int] = 3,
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = False,
        gain: float = 1.0,
    ) -> Tensor:
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        inputs = x_NCHW.shape[1] // groups
        bound = gain * (3 / (inputs * height * width)) ** 0.5
        weight = self.get(f"{name}.weight", (outputs, inputs, height, width), -bound, bound)
        bias_C = self.get(f"{name}.bias", (outputs,), -0.1, 0.1) if bias else None
        return functional.conv2d(x_NCHW, weight, bias_C, stride, padding, groups=groups)

    def linear(self, x_NI: Tensor, name: str, outputs: int, *, bias: bool) -> Tensor:
        bound = (3 / x_NI.shape[1]) ** 0.5
        weight = self.get(f"{name}.weight", (outputs, x_NI.shape[1]), -bound, bound)
        return functional.linear(x_NI, weight, self.get(f"{name}.bias", (outputs,), -0.1, 0.1) if bias else None)

    def norm(self, x: Tensor, name: str, *, epsilon: float = 1e-5, affine: bool = True, gain: float = 1.0) -> Tensor:
        """BatchNorm in evaluation mode."""
        width = (x.shape[1],)
        weight = self.get(f"{name}.weight", width, 0.5 * gain, 1.5 * gain) if affine else None
        bias = self.get(f"{name}.bias", width, -0.2, 0.2) if affine else None
        mean = self.get(f"{name}.running_mean", width, -0.2, 0.2)
        variance = self.get(f"{name}.running_var", width, 0.5, 1.5)
        return functional.batch_norm(x, mean, variance, weight, bias, eps=epsilon)

    def prelu(self, x: Tensor, name: str) -> Tensor:
        return functional.prelu(x, self.get(f"{name}.weight", (x.shape[1],), 0.1, 0.4))


def insightface(layers: int, widths: Sequence[int] = (64, 128, 256, 512), dimensions: int = 512) -> Forward:
    """``iresnet18`` … ``iresnet100`` of arcface_torch."""

    def forward(net: Published, x_NCHW: Tensor) -> Tensor:
        x = net.convolution(x_NCHW, "conv1", widths[0], padding=1)
        x = net.prelu(net.norm(x, "bn1"), "prelu")
        for stage in range(4):
            for block in range(_BLOCKS[layers][stage]):
                name = f"layer{stage + 1}.{block}"
                stride = 2 if block == 0 else 1
                y = net.convolution(net.norm(x, f"{name}.bn1"), f"{name}.conv1", widths[stage], padding=1)
                y = net.prelu(net.norm(y, f"{name}.bn2"), f"{name}.prelu")
                y = net.convolution(y, f"{name}.conv2", widths[stage], stride=stride, padding=1)
                y = net.norm(y, f"{name}.bn3", gain=0.3)
                if block == 0:
                    x = net.convolution(x, f"{name}.downsample.0", widths[stage], 1, stride=2)
                    x = net.norm(x, f"{name}.downsample.1")
                x = y + x
        x = net.norm(x, "bn2").flatten(1)
        return net.norm(net.linear(x, "fc", dimensions, bias=True), "features")

    return forward


def face_evolve(
    layers: int, widths: Sequence[int] = (64, 128, 256, 512), dimensions: int = 512, *, squeezes: bool = False
) -> Forward:
    """``IR_50`` … and ``IR_SE_50`` … of face.evoLVe, and of InsightFace_Pytorch."""

    def forward(net: Published, x_NCHW: Tensor) -> Tensor:
        x = net.convolution(x_NCHW, "input_layer.0", widths[0], padding=1)
        x = net.prelu(net.norm(x, "input_layer.1"), "input_layer.2")
        number = 0
        for stage in range(4):
            for block in range(_BLOCKS[layers][stage]):
                name = f"body.{number}.res_layer"
                stride = 2 if block == 0 else 1
                y = net.convolution(net.norm(x, f"{name}.0"), f"{name}.1", widths[stage], padding=1)
                y = net.convolution(net.prelu(y, f"{name}.2"), f"{name}.3", widths[stage], stride=stride, padding=1)
                y = net.norm(y, f"{name}.4", gain=0.3)
                if squeezes:
                    y = _squeezed(net, y, f"{name}.5")
                x = y + _shortcut(net, x, f"body.{number}.shortcut_layer", widths[stage], stride)
                number += 1
        x = net.norm(x, "output_layer.0").flatten(1)
        return net.norm(net.linear(x, "output_layer.3", dimensions, bias=True), "output_layer.4")

    return forward


def adaface(
    layers: int, widths: Sequence[int] = (64, 128, 256, 512), dimensions: int = 512, *, squeezes: bool = False
) -> Forward:
    """``IR_18`` … and ``IR_SE_50`` of AdaFace."""

    def forward(net: Published, x_NCHW: Tensor) -> Tensor:
        x = net.convolution(x_NCHW, "input_layer.0", widths[0], padding=1)
        x = net.prelu(net.norm(x, "input_layer.1"), "input_layer.2")
        number = 0
        for stage in range(4):
            for block in range(_BLOCKS[layers][stage]):
                name = f"body.{number}.res_layer"
                stride = 2 if block == 0 else 1
                y = net.convolution(net.norm(x, f"{name}.0"), f"{name}.1", widths[stage], padding=1)
                y = net.prelu(net.norm(y, f"{name}.2"), f"{name}.3")
                y = net.convolution(y, f"{name}.4", widths[stage], stride=stride, padding=1)
                y = net.norm(y, f"{name}.5", gain=0.3)
                if squeezes:
                    y = _squeezed(net, y, f"{name}.se_block")
                x = y + _shortcut(net, x, f"body.{number}.shortcut_layer", widths[stage], stride)
                number += 1
        x = net.norm(x, "output_layer.0").flatten(1)
        return net.norm(net.linear(x, "output_layer.3", dimensions, bias=True), "output_layer.4", affine=False)

    return forward


def _shortcut(net: Published, x_NCHW: Tensor, name: str, outputs: int, stride: int) -> Tensor:
    if x_NCHW.shape[1] == outputs:
        return functional.max_pool2d(x_NCHW, 1, stride)
    return net.norm(net.convolution(x_NCHW, f"{name}.0", outputs, 1, stride=stride), f"{name}.1")


def _squeezed(net: Published, x_NCHW: Tensor, name: str) -> Tensor:
    width = x_NCHW.shape[1]
    y = functional.adaptive_avg_pool2d(x_NCHW, 1)
    y = functional.relu(net.convolution(y, f"{name}.fc1", width // 16, 1))
    return x_NCHW * torch.sigmoid(net.convolution(y, f"{name}.fc2", width, 1))


def sphere20a(widths: Sequence[int] = (64, 128, 256, 512), dimensions: int = 512) -> Forward:
    """``sphere20a`` of sphereface_pytorch, with ``feature=True``."""

    def forward(net: Published, x_NCHW: Tensor) -> Tensor:
        x = x_NCHW
        for stage, blocks in enumerate((1, 2, 4, 1), start=1):
            width = widths[stage - 1]
            first = net.convolution(x, f"conv{stage}_1", width, stride=2, padding=1, bias=True)
            x = net.prelu(first, f"relu{stage}_1")
            for number in range(2, 2 * blocks + 2, 2):
                y = x
                for each in (number, number + 1):
                    y = net.convolution(y, f"conv{stage}_{each}", width, padding=1, bias=True, gain=0.7)
                    y = net.prelu(y, f"relu{stage}_{each}")
                x = x + y
        return net.linear(x.reshape(x.shape[0], -1), "fc5", dimensions, bias=True)

    return forward


def insightface_pytorch(widths: Sequence[int] = (64, 128, 128), dimensions: int = 512) -> Forward:
    """``MobileFaceNet`` of InsightFace_Pytorch, before it normalises."""

    def unit(net: Published, x: Tensor, name: str, outputs: int, kernel: int, stride: int, groups: int = 1) -> Tensor:
        x = net.convolution(x, f"{name}.conv", outputs, kernel, stride=stride, padding=kernel // 2, groups=groups)
        return net.prelu(net.norm(x, f"{name}.bn"), f"{name}.prelu")

    def depth_wise(net: Published, x: Tensor, name: str, outputs: int, groups: int, stride: int) -> Tensor:
        y = unit(net, x, f"{name}.conv", groups, 1, 1)
        y = unit(net, y, f"{name}.conv_dw", groups, 3, stride, groups)
        return net.norm(net.convolution(y, f"{name}.project.conv", outputs, 1), f"{name}.project.bn")

    def residual(net: Published, x: Tensor, name: str, count: int, groups: int) -> Tensor:
        for number in range(count):
            x = x + depth_wise(net, x, f"{name}.model.{number}", x.shape[1], groups, 1)
        return x

    def forward(net: Published, x_NCHW: Tensor) -> Tensor:
        a, b, c = widths
        x = unit(net, x_NCHW, "conv1", a, 3, 2)
        x = unit(net, x, "conv2_dw", a, 3, 1, a)
        x = depth_wise(net, x, "conv_23", a, 2 * a, 2)
        x = residual(net, x, "conv_3", 4, 2 * a)
        x = depth_wise(net, x, "conv_34", b, 4 * a, 2)
        x = residual(net, x, "conv_4", 6, 2 * b)
        x = depth_wise(net, x, "conv_45", c, 4 * b, 2)
        x = residual(net, x, "conv_5", 2, 2 * c)
        x = unit(net, x, "conv_6_sep", 4 * c, 1, 1)
        whole = (x.shape[2], x.shape[3])
        x = net.norm(net.convolution(x, "conv_6_dw.conv", 4 * c, whole, groups=4 * c), "conv_6_dw.bn").flatten(1)
        return net.norm(net.linear(x, "linear", dimensions, bias=False), "bn")

    return forward


def facenet_pytorch(base: int = 32, dimensions: int = 512) -> Forward:
    """``InceptionResnetV1`` of facenet-pytorch, before it normalises; all widths are ``base / 32`` of the published ones."""

    def w(published: int) -> int:
        return published * base // 32

    def unit(
        net: Published,
        x: Tensor,
        name: str,
        outputs: int,
        kernel: int | tuple[int, int] = 1,
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> Tensor:
        x = net.convolution(x, f"{name}.conv", w(outputs), kernel, stride=stride, padding=padding, gain=1.4)
        return functional.relu(net.norm(x, f"{name}.bn", epsilon=0.001))

    def added(net: Published, x: Tensor, name: str, branches: Sequence[Tensor], scale: float) -> Tensor:
        y = net.convolution(torch.cat(list(branches), 1), f"{name}.conv2d", x.shape[1], 1, bias=True)
        return y * scale + x

    def block35(net: Published, x: Tensor, name: str) -> Tensor:
        x0 = unit(net, x, f"{name}.branch0", 32)
        x1 = unit(net, unit(net, x, f"{name}.branch1.0", 32), f"{name}.branch1.1", 32, 3, padding=1)
        x2 = unit(net, unit(net, x, f"{name}.branch2.0", 32), f"{name}.branch2.1", 32, 3, padding=1)
        x2 = unit(net, x2, f"{name}.branch2.2", 32, 3, padding=1)
        return functional.relu(added(net, x, name, (x0, x1, x2), 0.17))

    def block17(net: Published, x: Tensor, name: str) -> Tensor:
        x0 = unit(net, x, f"{name}.branch0", 128)
        x1 = unit(net, unit(net, x, f"{name}.branch1.0", 128), f"{name}.branch1.1", 128, (1, 7), padding=(0, 3))
        x1 = unit(net, x1, f"{name}.branch1.2", 128, (7, 1), padding=(3, 0))
        return functional.relu(added(net, x, name, (x0, x1), 0.10))

    def block8(net: Published, x: Tensor, name: str, scale: float) -> Tensor:
        x0 = unit(net, x, f"{name}.branch0", 192)
        x1 = unit(net, unit(net, x, f"{name}.branch1.0", 192), f"{name}.branch1.1", 192, (1, 3), padding=(0, 1))
        x1 = unit(net, x1, f"{name}.branch1.2", 192, (3, 1), padding=(1, 0))
        return added(net, x, name, (x0, x1), scale)

    def forward(net: Published, x_NCHW: Tensor) -> Tensor:
        x = unit(net, x_NCHW, "conv2d_1a", 32, 3, stride=2)
        x = unit(net, x, "conv2d_2a", 32, 3)
        x = unit(net, x, "conv2d_2b", 64, 3, padding=1)
        x = functional.max_pool2d(x, 3, 2)
        x = unit(net, x, "conv2d_3b", 80)
        x = unit(net, x, "conv2d_4a", 192, 3)
        x = unit(net, x, "conv2d_4b", 256, 3, stride=2)
        for number in range(5):
            x = block35(net, x, f"repeat_1.{number}")
        x0 = unit(net, x, "mixed_6a.branch0", 384, 3, stride=2)
        x1 = unit(net, unit(net, x, "mixed_6a.branch1.0", 192), "mixed_6a.branch1.1", 192, 3, padding=1)
        x1 = unit(net, x1, "mixed_6a.branch1.2", 256, 3, stride=2)
        x = torch.cat((x0, x1, functional.max_pool2d(x, 3, 2)), 1)
        for number in range(10):
            x = block17(net, x, f"repeat_2.{number}")
        x0 = unit(net, unit(net, x, "mixed_7a.branch0.0", 256), "mixed_7a.branch0.1", 384, 3, stride=2)
        x1 = unit(net, unit(net, x, "mixed_7a.branch1.0", 256), "mixed_7a.branch1.1", 256, 3, stride=2)
        x2 = unit(net, unit(net, x, "mixed_7a.branch2.0", 256), "mixed_7a.branch2.1", 256, 3, padding=1)
        x2 = unit(net, x2, "mixed_7a.branch2.2", 256, 3, stride=2)
        x = torch.cat((x0, x1, x2, functional.max_pool2d(x, 3, 2)), 1)
        for number in range(5):
            x = functional.relu(block8(net, x, f"repeat_3.{number}", 0.20))
        x = block8(net, x, "block8", 1.0)
        x = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return net.norm(net.linear(x, "last_linear", dimensions, bias=False), "last_bn", epsilon=0.001)

    return forward
