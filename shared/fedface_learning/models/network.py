"""The base class of all embedding networks: from images of faces to one unit vector for each.

Suffixes of tensor names: N images, C channels, H×W pixels, D dimensions (the embedding size).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedface_core.domain.device_kinds import Precision
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.device import in_precision, moved


class EmbeddingNetwork(nn.Module, ABC):
    """An embedding network of the size that ``plan`` asks for.

    Its state is its parameters and buffers. One buffer is ``centre`` (D,), which is subtracted from features before they
    are normalised; it is zero unless the plan asks for centring, or imported weights bring one. The parameters of a new
    network hold no values: set them with `initialise` or `fedface_learning.models.weights.load_tensors`.
    """

    centre: Tensor
    pixel_mean: tuple[float, ...]
    """What is subtracted from the pixels, 0 to 255, of each channel."""
    precision: Precision = "float32"
    """How `features` computes. A client's training calls `features_of_pixels`, which is in float32."""
    pixel_scale: float
    """What the pixels minus their mean are divided by."""
    _pixel_mean_C11: Tensor

    def __init__(self, plan: ModelPlan, pixel_mean: tuple[float, ...], pixel_scale: float) -> None:
        """Normalised pixels are ``(pixel − pixel_mean) / pixel_scale`` with a mean for each channel, of pixels 0 to 255."""
        super().__init__()
        self.plan = plan
        self.pixel_mean = pixel_mean
        self.pixel_scale = pixel_scale
        self.register_buffer("_pixel_mean_C11", torch.tensor(pixel_mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("centre", torch.zeros(plan.embedding_size))

    @property
    def device(self) -> torch.device:
        """Where the network is, and computes."""
        return self.centre.device

    @cached_property
    def has_batch_norm(self) -> bool:
        """Whether the features of an image in training mode depend on its batch: only `nn.BatchNorm2d` does that here."""
        return any(isinstance(module, nn.BatchNorm2d) for module in self.modules())

    def train(self, mode: bool = True) -> Self:
        """Set the network to training or evaluation mode, unless it is in that mode: torch would visit each layer."""
        return self if self.training is mode else super().train(mode)

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Draw all parameters from ``generator`` by the initialisation of the architecture's authors."""

    @abstractmethod
    def features_of_pixels(self, pixels_NCHW: Tensor) -> Tensor:
        """The features (N, D), float32, of normalised pixels (N, C, H, W), float32: before centring and normalising."""

    def pixels(self, images_NCHW: Tensor) -> Tensor:
        """Normalised pixels (N, C, H, W), float32, on the network's device, of images in uint8 or in floats from 0 to 255.

        `InvalidInputError` if channels, height or width are not the plan's.
        """
        plan = self.plan
        if images_NCHW.shape[1:] != (plan.channels, plan.height, plan.width) or images_NCHW.dtype == torch.bool:
            raise InvalidInputError(
                f"{plan.architecture} takes images of shape (N, {plan.channels}, {plan.height}, {plan.width}), "
                f"uint8 or float, not {tuple(images_NCHW.shape)}, {images_NCHW.dtype}"
            )
        return self.normalised(moved(images_NCHW, self.device).to(torch.float32, memory_format=torch.channels_last))

    def normalised(self, floats_NCHW: Tensor) -> Tensor:
        """Normalised pixels (N, C, H, W), float32, of pixels from 0 to 255 in float32 that are on the network's device."""
        return (floats_NCHW - self._pixel_mean_C11) / self.pixel_scale

    def features(self, images_NCHW: Tensor) -> Tensor:
        """The features (N, D), float32, of images as `pixels` takes them: before centring and normalising."""
        with in_precision(self.device, self.precision):
            features_ND = self.features_of_pixels(self.pixels(images_NCHW))
        return features_ND.float()

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """The embeddings (N, D), float32, of images as `pixels` takes them: features minus the centre, at unit length."""
        return functional.normalize(self.features(images_NCHW) - self.centre)


class _Convolution(nn.Conv2d):
    def reset_parameters(self) -> None:
        """Leave the memory as it is: `EmbeddingNetwork.initialise` or a model file gives the values."""


class _Linear(nn.Linear):
    def reset_parameters(self) -> None:
        """Leave the memory as it is: `EmbeddingNetwork.initialise` or a model file gives the values."""


def convolution(
    inputs: int, outputs: int, kernel: int | tuple[int, int], **options: int | bool | tuple[int, int]
) -> nn.Conv2d:
    """An `nn.Conv2d` without values: torch's own initialisation would cost time and draw from its global generator."""
    return _Convolution(inputs, outputs, kernel, **options)  # type: ignore[arg-type]


def linear(inputs: int, outputs: int, *, bias: bool) -> nn.Linear:
    """An `nn.Linear` without values: torch's own initialisation would cost time and draw from its global generator."""
    return _Linear(inputs, outputs, bias=bias)


@torch.no_grad()
def draw_as_torch_does(layer: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    """Draw a layer's weights and bias from ``generator`` as torch initialises them: uniform within ``±1/√inputs``.

    The inputs are those of one output. Many authors of networks leave the initialisation to torch.
    """
    bound = 1 / math.sqrt(layer.weight[0].numel())
    layer.weight.uniform_(-bound, bound, generator=generator)
    if layer.bias is not None:
        layer.bias.uniform_(-bound, bound, generator=generator)
