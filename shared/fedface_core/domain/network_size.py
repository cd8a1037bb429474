"""How large the network of a plan is, computed without building it: a plan of any size is judged before anything is made.

Each function below walks the layers of one family of architectures, as the classes in `fedface_learning.models` have them.
A test builds each architecture and compares. Letters in names: h×w the pixels of a kernel or a map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from fedface_core.domain.plan.model import ModelPlan

SPHERENET_BLOCKS: Final = {
    "spherenet-4": (0, 0, 0, 0),
    "spherenet-10": (0, 1, 2, 0),
    "spherenet-20": (1, 2, 4, 1),
    "spherenet-36": (2, 4, 8, 2),
    "spherenet-64": (3, 8, 16, 3),
}
"""The number of residual blocks of each stage. The number in the name is that of all convolutions."""

_IMPROVED_BLOCKS: Final = {
    "18": (2, 2, 2, 2),
    "34": (3, 4, 6, 3),
    "50": (3, 4, 14, 3),
    "100": (3, 13, 30, 3),
    "101": (3, 13, 30, 3),
    "152": (3, 8, 36, 3),
}
"""The number of blocks of each stage, by the number in the name. InsightFace says 100 where others say 101."""

SQUEEZED: Final = 16
"""By what squeeze-and-excitation divides the channels. `ModelPlan` makes sure that one is left."""

_NORM = 2  # numbers of each channel in a BatchNorm, or in dlib's scale and shift
_PRELU = 1
_SQUARE = (3, 3)
_ONE = (1, 1)


class _Map(NamedTuple):
    channels: int
    height: int
    width: int

    @property
    def numbers(self) -> int:
        return self.channels * self.height * self.width


@dataclass(frozen=True)
class NetworkSize:
    """The size of a network."""

    parameters: int
    """The trained numbers."""
    multiplications: int
    """In a forward pass of one image, by convolutions and linear layers; what other layers add is a few percent."""
    activations: int
    """The numbers in the outputs of all layers for one image: about what a gradient step keeps in memory for each image."""


@dataclass
class _Layers:
    """Sums over the layers that it is told about."""

    parameters: int = 0
    multiplications: int = 0
    activations: int = 0

    def convolution(
        self,
        x: _Map,
        outputs: int,
        kernel: tuple[int, int] = _SQUARE,
        *,
        stride: int = 1,
        padding: tuple[int, int] = (0, 0),
        groups: int = 1,
        bias: bool = False,
        then: tuple[int, ...] = (),
    ) -> _Map:
        """A convolution, and after it a layer with so many numbers for each channel for each number in ``then``."""
        weights = outputs * (x.channels // groups) * kernel[0] * kernel[1]
        height = (x.height + 2 * padding[0] - kernel[0]) // stride + 1
        width = (x.width + 2 * padding[1] - kernel[1]) // stride + 1
        self.parameters += weights + outputs * bias
        self.multiplications += weights * height * width
        y = _Map(outputs, height, width)
        self.activations += y.numbers
        for numbers in then:
            self.each_channel(y, numbers)
        return y

    def each_channel(self, x: _Map, numbers: int) -> None:
        """A layer with so many numbers for each channel: BatchNorm, PReLU, or ReLU with none."""
        self.parameters += numbers * x.channels
        self.activations += x.numbers

    def linear(self, inputs: int, outputs: int, *, bias: bool) -> None:
        self.parameters += inputs * outputs + outputs * bias
        self.multiplications += inputs * outputs
        self.activations += outputs

    @property
    def size(self) -> NetworkSize:
        return NetworkSize(self.parameters, self.multiplications, self.activations)


def network_size(plan: ModelPlan) -> NetworkSize:
    """The size of the plan's network, whatever its numbers are."""
    layers = _Layers()
    _WALKS[plan.family](layers, plan, _Map(plan.channels, plan.height, plan.width))
    return layers.size


def improved_blocks(plan: ModelPlan) -> tuple[int, ...]:
    """The number of blocks of each of the four stages of the plan's network, an improved residual one."""
    return _IMPROVED_BLOCKS[plan.architecture.rsplit("-", 1)[1]]


def _spherenet(layers: _Layers, plan: ModelPlan, x: _Map) -> None:
    for width, blocks in zip(plan.widths, SPHERENET_BLOCKS[plan.architecture], strict=True):
        x = layers.convolution(x, width, stride=2, padding=_ONE, bias=True, then=(_PRELU,))
        for _ in range(2 * blocks):
            layers.convolution(x, width, padding=_ONE, bias=True, then=(_PRELU,))
    layers.linear(x.numbers, plan.embedding_size, bias=True)


def _mobilefacenet(layers: _Layers, plan: ModelPlan, x: _Map) -> None:
    first, second, third = plan.widths
    x = layers.convolution(x, first, stride=2, padding=_ONE, then=(_NORM, _PRELU))
    x = layers.convolution(x, first, padding=_ONE, groups=first, then=(_NORM, _PRELU))
    rows = ((first, 5, 2, 2), (second, 1, 4, 2), (second, 6, 2, 1), (third, 1, 4, 2), (third, 2, 2, 1))
    for outputs, repeats, expansion, stride in rows:
        for block in range(repeats):
            inner = expansion * x.channels
            x = layers.convolution(x, inner, _ONE, then=(_NORM, _PRELU))
            step = stride if block == 0 else 1
            x = layers.convolution(x, inner, stride=step, padding=_ONE, groups=inner, then=(_NORM, _PRELU))
            x = layers.convolution(x, outputs, _ONE, then=(_NORM,))
    last = 4 * third
    x = layers.convolution(x, last, _ONE, then=(_NORM, _PRELU))
    layers.convolution(x, last, (x.height, x.width), groups=last, then=(_NORM,))
    layers.linear(last, plan.embedding_size, bias=False)


def _dlib(layers: _Layers, plan: ModelPlan, x: _Map) -> None:
    a, b, c, d = plan.widths
    x = layers.convolution(x, a, (7, 7), stride=2, then=(_NORM, 0))
    x = _Map(a, (x.height - 3) // 2 + 1, (x.width - 3) // 2 + 1)
    blocks = [(a, False)] * 3 + [(b, True)] + [(b, False)] * 3 + [(c, True)] + [(c, False)] * 2
    blocks += [(d, True)] + [(d, False)] * 2 + [(d, True)]
    for width, down in blocks:
        y = layers.convolution(x, width, stride=2 if down else 1, padding=(0, 0) if down else _ONE, then=(_NORM, 0))
        layers.convolution(y, width, padding=_ONE, then=(_NORM, 0))
        # The larger of the convolutions' map and the shortcut's, which is pooled by two.
        x = _Map(width, max(y.height, x.height // 2), max(y.width, x.width // 2)) if down else y
    layers.linear(d, plan.embedding_size, bias=False)


def _improved(layers: _Layers, plan: ModelPlan, x: _Map) -> None:
    family = plan.family
    x = layers.convolution(x, plan.widths[0], padding=_ONE, then=(_NORM, _PRELU))
    for width, blocks in zip(plan.widths, improved_blocks(plan), strict=True):
        for block in range(blocks):
            stride = 2 if block == 0 else 1
            layers.each_channel(x, _NORM)
            y = layers.convolution(x, width, padding=_ONE, then=(_PRELU,) if family == "ir" else (_NORM, _PRELU))
            y = layers.convolution(y, width, stride=stride, padding=_ONE, then=(_NORM,))
            if "-se-" in plan.architecture:
                means = layers.convolution(_Map(width, 1, 1), width // SQUEEZED, _ONE, then=(0,))
                layers.convolution(means, width, _ONE, then=(0,))
                layers.each_channel(y, 0)
            if x.channels != width or (stride == 2 and family == "iresnet"):
                layers.convolution(x, width, _ONE, stride=stride, then=(_NORM,))
            layers.each_channel(y, 0)  # the sum with the shortcut
            x = y
    layers.each_channel(x, _NORM)
    layers.linear(x.numbers, plan.embedding_size, bias=True)


def _inception(layers: _Layers, plan: ModelPlan, x: _Map) -> None:
    [w] = plan.widths

    def unit(
        x: _Map, outputs: int, kernel: int | tuple[int, int], stride: int = 1, padding: tuple[int, int] = (0, 0)
    ) -> _Map:
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        return layers.convolution(x, outputs, sides, stride=stride, padding=padding, then=(_NORM, 0))

    def mixed(x: _Map, inner: int) -> None:
        layers.convolution(_Map(inner, x.height, x.width), x.channels, _ONE, bias=True, then=(0, 0))

    def pooled(x: _Map) -> _Map:
        return _Map(x.channels, (x.height - 3) // 2 + 1, (x.width - 3) // 2 + 1)

    x = unit(unit(unit(x, w, 3, 2), w, 3), 2 * w, 3, padding=_ONE)
    x = unit(unit(unit(pooled(x), 5 * w // 2, 1), 6 * w, 3), 8 * w, 3, 2)
    for _ in range(5):
        unit(x, w, 1)
        unit(unit(x, w, 1), w, 3, padding=_ONE)
        unit(unit(unit(x, w, 1), w, 3, padding=_ONE), w, 3, padding=_ONE)
        mixed(x, 3 * w)
    unit(x, 12 * w, 3, 2)
    unit(unit(unit(x, 6 * w, 1), 6 * w, 3, padding=_ONE), 8 * w, 3, 2)
    x = pooled(x)._replace(channels=28 * w)
    for _ in range(10):
        unit(x, 4 * w, 1)
        unit(unit(unit(x, 4 * w, 1), 4 * w, (1, 7), padding=(0, 3)), 4 * w, (7, 1), padding=(3, 0))
        mixed(x, 8 * w)
    unit(unit(x, 8 * w, 1), 12 * w, 3, 2)
    unit(unit(x, 8 * w, 1), 8 * w, 3, 2)
    unit(unit(unit(x, 8 * w, 1), 8 * w, 3, padding=_ONE), 8 * w, 3, 2)
    x = pooled(x)._replace(channels=56 * w)
    for _ in range(6):
        unit(x, 6 * w, 1)
        unit(unit(unit(x, 6 * w, 1), 6 * w, (1, 3), padding=(0, 1)), 6 * w, (3, 1), padding=(1, 0))
        mixed(x, 12 * w)
    layers.linear(56 * w, plan.embedding_size, bias=True)


_WALKS: Final[dict[str, Callable[[_Layers, ModelPlan, _Map], None]]] = {
    "spherenet": _spherenet,
    "mobilefacenet": _mobilefacenet,
    "dlib": _dlib,
    "iresnet": _improved,
    "ir": _improved,
    "adaface": _improved,
    "inception": _inception,
}
