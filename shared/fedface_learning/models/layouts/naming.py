"""Layouts of networks that have our layers under other names: each published layer becomes the one of ours in its place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import build_network
from fedface_learning.models.layouts.layout import InputConvention, Layout

_COUNTER: Final = ".num_batches_tracked"
_WEIGHT: Final = "embedding.weight"
_BIAS: Final = "embedding.bias"
_CENTRE: Final = "centre"


@dataclass(frozen=True)
class FeatureNorm:
    """The BatchNorm of the features with which a published network ends, and which ours has in its embedding layer."""

    name: str
    """Its published name."""
    epsilon: float
    """What is added to the variance."""
    affine: bool = True
    """Whether it has a weight and a bias for each dimension."""

    @property
    def tensors(self) -> tuple[str, ...]:
        """The published names of its tensors (D,), without the counter."""
        affine = ("weight", "bias") if self.affine else ()
        return tuple(f"{self.name}.{suffix}" for suffix in (*affine, "running_mean", "running_var"))

    def scale_mean_bias(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Scale, mean and bias (D,), float64: normalised features are ``scale · (features − mean) + bias``."""
        mean_D = tensors[f"{self.name}.running_mean"].double()
        scale_D = (tensors[f"{self.name}.running_var"].double() + self.epsilon).rsqrt()
        if not self.affine:
            return scale_D, mean_D, torch.zeros_like(mean_D)
        return scale_D * tensors[f"{self.name}.weight"].double(), mean_D, tensors[f"{self.name}.bias"].double()


def named_layout(
    name: str,
    plan: ModelPlan,
    convention: InputConvention,
    layers: Iterable[str],
    *,
    feature_norm: FeatureNorm | None = None,
    embedding_bias: bool,
    unused: Iterable[str] = (),
) -> Layout:
    """The layout of a network whose ``layers`` are ours in the order of our modules, and which is fed by ``convention``.

    The layers are those with tensors, by their published names: a convolution first, the embedding layer last. Their tensors
    have our shapes and suffixes, but the embedding layer has a bias only with ``embedding_bias``. ``unused`` names what a
    file may hold beside them; counters of batches need no mention. `ValueError` if our network has another number of layers.
    """
    with torch.device("meta"):
        network = build_network(plan)
    own = network.state_dict()
    own_layers = dict.fromkeys(tensor.rpartition(".")[0] for tensor in own if tensor != _CENTRE)
    published_layers = dict(zip(own_layers, layers, strict=True))
    published = {}
    for tensor in own:
        layer, _, suffix = tensor.rpartition(".")
        if tensor != _CENTRE and (tensor != _BIAS or embedding_bias):
            published[tensor] = f"{published_layers[layer]}.{suffix}"
    norm_tensors = feature_norm.tensors if feature_norm else ()
    counters = [theirs for theirs in published.values() if theirs.endswith(_COUNTER)]
    counters += [f"{feature_norm.name}{_COUNTER}"] if feature_norm else []
    published = {tensor: theirs for tensor, theirs in published.items() if not theirs.endswith(_COUNTER)}
    shapes = {theirs: tuple(own[tensor].shape) for tensor, theirs in published.items()}
    return Layout(
        name=name,
        plan=plan,
        input=convention,
        shapes=shapes | dict.fromkeys(norm_tensors, (plan.embedding_size,)),
        unused=frozenset([*counters, *unused]),
        convert=_Conversion(
            name=name,
            published=published,
            shapes={tensor: tuple(values.shape) for tensor, values in own.items()},
            pixel_mean=network.pixel_mean[0],
            pixel_scale=network.pixel_scale,
            feature_norm=feature_norm,
        ),
    )


@dataclass(frozen=True)
class _Conversion:
    """From published tensors to ours."""

    name: str
    published: Mapping[str, str]
    """The published name of each tensor of ours that has one; the first convolution's weight is first."""
    shapes: Mapping[str, tuple[int, ...]]
    """The shape of each tensor of ours, in the order of the network."""
    pixel_mean: float
    pixel_scale: float
    feature_norm: FeatureNorm | None

    def __call__(self, tensors: Mapping[str, Tensor], convention: InputConvention) -> dict[str, Tensor]:
        made = {tensor: tensors[theirs].contiguous() for tensor, theirs in self.published.items()}
        first = next(iter(self.published))
        made[first] = self._of_our_pixels(made[first], convention)
        if self.feature_norm:
            made |= self._normalised(made[_WEIGHT], made.get(_BIAS), self.feature_norm.scale_mean_bias(tensors))
        return {tensor: made[tensor] if tensor in made else _empty(tensor, shape) for tensor, shape in self.shapes.items()}

    def _of_our_pixels(self, weight_OIHW: Tensor, convention: InputConvention) -> Tensor:
        """The first convolution's weights (O, I, H, W) for our pixels: what differs in the pixels becomes a part of them."""
        mean = convention.pixel_mean
        scale = convention.pixel_scale
        if not (math.isfinite(scale) and scale > 0):
            raise InvalidInputError(f"{self.name}: pixels are divided by a number above 0, not by {scale:g}")
        if mean != self.pixel_mean:
            raise InvalidInputError(
                f"{self.name}: a network of ours is fed pixels minus {self.pixel_mean:g}, and not minus {mean:g}. Another "
                "order of channels and another scale become a part of the first convolution. Another mean cannot, because "
                "the image is padded with zeros, which stand for the mean"
            )
        ordered_OIHW = weight_OIHW.flip(1) if convention.channel_order == "bgr" else weight_OIHW
        return (ordered_OIHW.double() * (self.pixel_scale / scale)).float()

    def _normalised(
        self, weight_DI: Tensor, bias_D: Tensor | None, norm: tuple[Tensor, Tensor, Tensor]
    ) -> dict[str, Tensor]:
        """The embedding layer (D, I) with the BatchNorm of its features (D,). Without a bias, the centre takes the shift."""
        scale_D, mean_D, offset_D = norm
        weight_of_both_DI = (weight_DI.double() * scale_D[:, None]).float()
        shift_D = offset_D - scale_D * mean_D
        if _BIAS not in self.shapes:
            return {_WEIGHT: weight_of_both_DI, _CENTRE: (-shift_D).float()}
        own_bias_D = 0.0 if bias_D is None else bias_D.double()
        return {_WEIGHT: weight_of_both_DI, _BIAS: (shift_D + scale_D * own_bias_D).float()}


def _empty(tensor: str, shape: tuple[int, ...]) -> Tensor:
    """A counter or a centre that has counted or centred nothing."""
    return torch.zeros(shape, dtype=torch.int64 if tensor.endswith(_COUNTER) else torch.float32)
