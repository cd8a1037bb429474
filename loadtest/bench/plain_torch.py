"""Local training as a good engineer would write it without us: the limit that the in-process figures are compared with.

Torch's own layers in torch's own layout, one optimiser kept, weights copied in place. No losses are measured, and nothing is
encoded, hashed or uploaded. N images, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_learning.models import EmbeddingNetwork, initial_network


class PlainLoop:
    """Plain SGD on the positive squared hinge, from the plan's initial network, one client after another."""

    def __init__(self, plan: Plan, *, channels_last: bool) -> None:
        network = initial_network(plan.model, plan.seed)
        self._start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._network = as_torch_has_it(network).to(memory_format=self._layout).train()  # type: ignore[call-overload]
        self._local = plan.local_training
        self._optimiser = torch.optim.SGD(
            self._network.parameters(), lr=self._local.learning_rate, momentum=self._local.momentum
        )

    def train(self, images_NCHW: Tensor, class_embedding_D: Tensor) -> Mapping[str, Tensor]:
        """The weights after a client's steps; they are overwritten by the next client's."""
        state = self._network.state_dict()
        with torch.no_grad():
            for name, tensor in state.items():
                tensor.copy_(self._start[name])
        self._optimiser.state.clear()
        pixels_NCHW = ((images_NCHW.float() - 127.5) / 128.0).contiguous(memory_format=self._layout)
        for _ in range(self._local.steps):
            self._optimiser.zero_grad()
            cosines_N = (normalize(self._network.embed(pixels_NCHW)) * class_embedding_D).sum(dim=1)
            torch.autograd.backward(torch.clamp(self._local.margin - cosines_N, min=0).square().mean())
            self._optimiser.step()
        return state  # type: ignore[no-any-return]


def as_torch_has_it(network: EmbeddingNetwork) -> EmbeddingNetwork:
    """The network with torch's layers and layout in place of what we do for speed. The same weights, by the same names."""
    for parent in [*network.modules()]:
        for name, child in [*parent.named_children()]:
            if isinstance(child, nn.PReLU):
                torchs = nn.PReLU(child.num_parameters)
                torchs.load_state_dict(child.state_dict())
                setattr(parent, name, torchs)
            elif isinstance(child, nn.Conv2d):
                child.dilation = (1, 1)
    return network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]
