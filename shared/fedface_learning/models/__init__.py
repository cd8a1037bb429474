"""Embedding networks of every architecture that a plan can name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.dlib_resnet import DlibResNet
from fedface_learning.models.dlib_weights import load_published_weights
from fedface_learning.models.improved_resnet import ImprovedResNet
from fedface_learning.models.inception_resnet import InceptionResNet
from fedface_learning.models.mobilefacenet import MobileFaceNet
from fedface_learning.models.network import EmbeddingNetwork
from fedface_learning.models.spherenet import SphereNet

__all__ = ["EmbeddingNetwork", "build_network", "initial_network"]

_FAMILIES: dict[str, Callable[[ModelPlan], EmbeddingNetwork]] = {
    "spherenet": SphereNet,
    "mobilefacenet": MobileFaceNet,
    "dlib": DlibResNet,
    "iresnet": ImprovedResNet,
    "ir": ImprovedResNet,
    "adaface": ImprovedResNet,
    "inception": InceptionResNet,
}


def build_network(plan: ModelPlan) -> EmbeddingNetwork:
    """A network of the plan's architecture and size, in training mode. Its parameters hold no values until some are loaded.

    The weights of its convolutions are channels-last in memory, and so is all that they compute: on one CPU thread this is
    up to a third faster, and it changes how results are rounded. Stored tensors are always contiguous.
    """
    network = _FAMILIES[plan.family](plan)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def initial_network(plan: ModelPlan, seed: int) -> EmbeddingNetwork:
    """The plan's network with its initial weights, which are random (drawn by ``seed``) or published.

    Equal seeds give equal weights, and torch's global generator is not used. If the plan's weights are the SHA-256 of a
    stored model, use `fedface_learning.models.weights.load_network` instead. `InvalidInputError` if the published weights
    are not installed, or are damaged.
    """
    assert plan.weights in ("random", "published"), "stored models are loaded with load_network"
    network = build_network(plan)
    if plan.weights == "published":
        assert isinstance(network, DlibResNet)  # The plan allows published weights for no other network.
        load_published_weights(network)
    else:
        # Draws fill the memory in its order. A layout that was chosen for speed should not change what a seed gives.
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        network.initialise(torch.Generator().manual_seed(seed))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
