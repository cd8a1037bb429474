"""A client's training as one writes it without a framework, for the bare loop and for Flower. N images, D dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import ModelPlan, Plan
from fedface_learning.models import EmbeddingNetwork, build_network
from fedface_learning.objectives.losses import positive_squared_hinge
from loadtest.peers.plain_networks import PlainMobileFaceNet, PlainSphereNet, plain_network

NetworkName = Literal["plain", "ours"]
"""The network in plain PyTorch, or ours with all that makes it fast; channels-last then, whatever we do ourselves."""
Network = EmbeddingNetwork | PlainSphereNet | PlainMobileFaceNet


def training_network(name: NetworkName, plan: ModelPlan) -> Network:
    """The network in training mode."""
    if name == "plain":
        return plain_network(plan).train()
    return build_network(plan).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload, no-any-return]


def normalised_pixels(name: NetworkName, images_NCHW: Tensor) -> Tensor:
    """Float pixels (N, C, H, W) from -1 to 1, lying as the network likes them."""
    memory_format = torch.contiguous_format if name == "plain" else torch.channels_last
    return ((images_NCHW.float() - 127.5) / 128.0).contiguous(memory_format=memory_format)


class LocalSteps:
    """One network and one optimiser, made once for a process and used for all its clients."""

    def __init__(self, plan: Plan, network: NetworkName) -> None:
        self._name, self._plan = network, plan.local_training
        self.network = training_network(network, plan.model)
        self._optimiser = torch.optim.SGD(
            self.network.parameters(), lr=self._plan.learning_rate, momentum=self._plan.momentum, fused=True
        )
        self.state: dict[str, Tensor] = self.network.state_dict()
        """The network's own tensors: they change as it trains."""

    @torch.no_grad()
    def load(self, model: Mapping[str, Tensor]) -> None:
        """Copy a model into the network's memory."""
        for name, tensor in self.state.items():
            tensor.copy_(model[name])

    def train(self, images_NCHW: Tensor, class_embedding_D: Tensor) -> None:
        """The plan's steps of SGD with momentum, which starts at zero, on all images at once."""
        self._optimiser.state.clear()
        pixels_NCHW = normalised_pixels(self._name, images_NCHW)
        for _ in range(self._plan.steps):
            self._optimiser.zero_grad()
            embeddings_ND = normalize(self.network.embed(pixels_NCHW))
            torch.autograd.backward(positive_squared_hinge(embeddings_ND, class_embedding_D, self._plan.margin))
            self._optimiser.step()
