"""A layout of published weights that are small: a MobileFaceNet of ours, of 32×32 pixels, under other names and fed BGR."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import build_network, initial_network
from fedface_learning.models.layouts.layout import InputConvention, Layout
from fedface_learning.models.weights import network_tensors
from support.small_networks import MOBILE

PLAN = ModelPlan.model_validate(MOBILE | {"channels": 3})
FED = InputConvention("bgr", 127.5, 128.0)
_FIRST = "trunk.0.weight"
_OURS = {name.replace("trunk.", "body.layer"): name for name in network_tensors(build_network(PLAN)) if name != "centre"}


def _convert(tensors: Mapping[str, Tensor], fed: InputConvention) -> dict[str, Tensor]:
    ours = {name: tensors[published] for published, name in _OURS.items()}
    first = ours[_FIRST].flip(1) if fed.channel_order == "bgr" else ours[_FIRST]
    return ours | {_FIRST: first * (128.0 / fed.pixel_scale), "centre": torch.zeros(PLAN.embedding_size)}


def published_weights(seed: int = 1) -> dict[str, Tensor]:
    """Random weights as their authors would save them, with a counter for each BatchNorm."""
    ours = network_tensors(initial_network(PLAN, seed))
    tensors = {published: ours[name].clone() for published, name in _OURS.items() if "num_batches" not in name}
    first = "body.layer0.weight"
    tensors[first] = tensors[first].flip(1).contiguous()
    return tensors | {name: torch.tensor(7) for name in _OURS if "num_batches" in name}


SMALL_LAYOUT = Layout(
    name="Somebody's MobileFaceNet",
    plan=PLAN,
    input=FED,
    shapes={name: tuple(tensor.shape) for name, tensor in published_weights().items() if tensor.is_floating_point()},
    unused=frozenset(name for name in _OURS if "num_batches" in name) | {"classifier.weight"},
    convert=lambda tensors, fed: _convert(
        {name: torch.tensor(0) for name in _OURS if "num_batches" in name} | dict(tensors), fed
    ),
)
"""What `published_weights` fit."""
