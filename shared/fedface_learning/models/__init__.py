"""Embedding networks, by name."""

from __future__ import annotations

import torch

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.dlib_resnet import DlibResNet
from fedface_learning.models.dlib_weights import load_published_weights
from fedface_learning.models.mobilefacenet import MobileFaceNet
from fedface_learning.models.network import EmbeddingNetwork
from fedface_learning.models.spherenet import SphereNet

__all__ = ["EmbeddingNetwork", "build_network", "initial_network"]

_FAMILIES: dict[str, type[SphereNet] | type[MobileFaceNet] | type[DlibResNet]] = {
    "spherenet": SphereNet,
    "mobilefacenet": MobileFaceNet,
    "dlib": DlibResNet,
}


def build_network(plan: ModelPlan) -> EmbeddingNetwork:
    """The plan's architecture, in training mode. Quick, for its parameters hold no values until some are loaded.

    Its convolutions' weights lie channels-last, which decides the layout of all that they compute, and how it is rounded:
    on one CPU thread that is up to a third faster. In messages and files tensors lie as ever.
    """
    network = _FAMILIES[plan.architecture.split("-")[0]](plan)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def initial_network(plan: ModelPlan, seed: int) -> EmbeddingNetwork:
    """The network with the weights that the plan starts from: drawn by ``seed``, or published.

    Equal seeds give equal bytes, and torch's global generator is left alone. A plan whose weights are the SHA-256 of a
    stored model is not for this function: who holds the artifact store calls
    `fedface_learning.models.weights.load_network`.
    `InvalidInputError` where the published weights are not installed.
    """
    assert plan.weights in ("random", "published"), "stored models are loaded with load_network"
    network = build_network(plan)
    if plan.weights == "published":
        assert isinstance(network, DlibResNet)  # The plan allows it for no other.
        load_published_weights(network)
    else:
        # Draws fill memory in its order, and what a seed gives should not depend on a layout chosen for speed.
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        network.initialise(torch.Generator().manual_seed(seed))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
