"""A client's training as one writes it without a framework, for the bare loop and for Flower. N images, D dimensions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_core.learning.losses import positive_squared_hinge
from fedface_core.learning.models import EmbeddingNetwork, build_network


class LocalSteps:
    """One network and one optimiser, made once for a process and used for all its clients."""

    def __init__(self, plan: Plan, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        self._plan = plan.local_training
        self._memory_format = memory_format
        self.network: EmbeddingNetwork = build_network(plan.model).to(memory_format=memory_format)  # type: ignore[call-overload]
        self.network.train()
        self._optimiser = torch.optim.SGD(
            self.network.parameters(), lr=self._plan.learning_rate, momentum=self._plan.momentum
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
        pixels_NCHW = images_NCHW.float().contiguous(memory_format=self._memory_format)
        for _ in range(self._plan.steps):
            self._optimiser.zero_grad()
            embeddings_ND = normalize(self.network.features(pixels_NCHW) - self.network.centre)
            torch.autograd.backward(positive_squared_hinge(embeddings_ND, class_embedding_D, self._plan.margin))
            self._optimiser.step()
