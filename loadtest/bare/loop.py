"""The local training of one client after another in one process. N images, C channels, H×W pixels, D dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from loadtest.bare.networks import PlainNetwork, plain_network
from loadtest.bare.workload import LocalTraining, NetworkShape

_CPU: Final = torch.device("cpu")


class BareLoop:
    """One network and one optimiser, which a process makes once and uses for all its clients."""

    def __init__(
        self,
        network: NetworkShape,
        local: LocalTraining,
        *,
        channels_last: bool,
        device: torch.device = _CPU,
    ) -> None:
        self._local = local
        self._channels_last = channels_last
        self._device = device
        self.network = training_network(network, channels_last=channels_last).to(device)
        self._optimiser = torch.optim.SGD(
            self.network.parameters(), lr=local.learning_rate, momentum=local.momentum, fused=True
        )
        self.state: dict[str, Tensor] = self.network.state_dict()
        """Name → parameter or buffer: the network's own tensors, which change while it trains."""

    @torch.no_grad()
    def load(self, model: Mapping[str, Tensor]) -> None:
        """Copy a model (name → tensor) into the network's memory."""
        for name, tensor in self.state.items():
            tensor.copy_(model[name])

    def train(self, images_NCHW: Tensor, class_embedding_D: Tensor) -> None:
        """Train the loaded model, each step on all images (uint8). The momentum starts at zero."""
        self._optimiser.state.clear()
        class_embedding_D = class_embedding_D.to(self._device)
        pixels_NCHW = normalised_pixels(images_NCHW.to(self._device), channels_last=self._channels_last)
        for _ in range(self._local.steps):
            self._optimiser.zero_grad()
            embeddings_ND = normalize(self.network.embed(pixels_NCHW))
            torch.autograd.backward(squared_hinge(embeddings_ND, class_embedding_D, self._local.margin))
            self._optimiser.step()


def training_network(shape: NetworkShape, *, channels_last: bool) -> PlainNetwork:
    """A plain network in training mode, with its weights in torch's default layout or channels-last."""
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    return plain_network(shape).to(memory_format=memory_format)  # type: ignore[call-overload, no-any-return]


def normalised_pixels(images_NCHW: Tensor, *, channels_last: bool) -> Tensor:
    """Float pixels (N, C, H, W) from −1 to 1 of uint8 images, in torch's default layout or channels-last."""
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    return ((images_NCHW.float() - 127.5) / 128.0).contiguous(memory_format=memory_format)


def squared_hinge(embeddings_ND: Tensor, class_embedding_D: Tensor, margin: float) -> Tensor:
    """The scalar loss ``mean_i max(0, margin − w·f(x_i))²`` of unit embeddings f(x_i) and a unit class embedding w."""
    cosines_N = (embeddings_ND * class_embedding_D).sum(dim=1)
    return torch.clamp(margin - cosines_N, min=0).square().mean()


def use_one_thread() -> None:
    """Set up the arithmetic of this process as every system has it: one torch thread, denormal numbers flushed to zero.

    Denormal numbers slow a nearly converged network down many times, and no system is to be slower for a missing setting.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
