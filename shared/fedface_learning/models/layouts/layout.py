"""The layout of published weights: the names and shapes of their tensors, their input, and the network of ours they become.

The networks of a plan take RGB (or grey) pixels, of which each family has one mean and one scale. An imported network keeps
its authors' results, because what differs is folded into its first convolution: another order of the channels is the
reverse order of its input channels, and another scale is a factor of its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fedface_core.domain.plan import ModelPlan


@dataclass(frozen=True)
class InputConvention:
    """What a network's authors feed it: ``(pixel − pixel_mean) / pixel_scale`` of pixels from 0 to 255."""

    channel_order: Literal["rgb", "bgr"]
    pixel_mean: float
    pixel_scale: float


@dataclass(frozen=True)
class Layout:
    """The weights of one network as other projects publish them."""

    name: str
    """Who publishes it and what it is, as messages call it: ``InsightFace's iresnet-50``."""
    plan: ModelPlan
    """The network of ours, at its published size, with weights ``random``."""
    input: InputConvention
    """What the authors feed it. ``convert`` keeps it; an import may be told of another."""
    shapes: Mapping[str, tuple[int, ...]]
    """The name and the shape of each tensor that is needed, without prefixes such as ``module.``."""
    unused: frozenset[str]
    """The names of tensors that a file may hold and that are not needed: counters of batches, a classifier's weights."""
    convert: Callable[[Mapping[str, Tensor], InputConvention], dict[str, Tensor]]
    """From the published tensors, float32 and all of ``shapes``, and what the network is fed, to the tensors of our network.

    Names, shapes and dtypes of the result are those of `fedface_learning.models.weights.network_tensors`. Raises
    `InvalidInputError` if our network cannot be fed so.
    """
