"""Gradient inversion: images whose gradient is the one that a client has uploaded.

Geiping et al., *Inverting Gradients: How easy is it to break privacy in federated learning?*, NeurIPS 2020: from random
images on, Adam with the sign of the gradient minimises ``1 − cos(∇L(x), g) + α·TV(x)``. TV, the total variation, is the mean
difference of pixels that touch; it prefers images as cameras make them. A restart begins with other random images; the one
with the lowest loss counts.

Suffixes of tensor names: N images, C channels, H×W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedface_learning.models import EmbeddingNetwork
from fedface_learning.seeding import generator

_STEP = 0.05
"""How far a pixel moves at first, of 1 from black to white."""
_SHRINKS_AT = (3 / 8, 5 / 8, 7 / 8)
"""At these shares of the iterations a step becomes a tenth."""


@dataclass(frozen=True)
class Search:
    """How long and from where images are searched."""

    iterations: int
    restarts: int
    total_variation: float
    """α, the weight of the total variation."""
    seed: int


@dataclass(frozen=True)
class Reconstruction:
    """The images that were found."""

    images_NCHW: Tensor
    """uint8."""
    gradient_cosine: float
    """Of their gradient and the one that was given."""
    losses: tuple[float, ...]
    """Of the restart that counts: before each iteration."""


def invert(
    network: EmbeddingNetwork,
    loss: Callable[[Tensor], Tensor],
    gradient: Sequence[Tensor],
    images: int,
    search: Search,
    on_iteration: Callable[[], None] = lambda: None,
) -> Reconstruction:
    """Search ``images`` images whose loss has this ``gradient``, which has a tensor for each of the network's parameters.

    ``loss`` is that of the client, of images (N, C, H, W) in floats from 0 to 255, by the network. Weights are not changed.
    """
    target = _unit(gradient)
    found = [_search(network, loss, target, images, search, restart, on_iteration) for restart in range(search.restarts)]
    return min(found, key=lambda each: each.losses[-1])


def _search(
    network: EmbeddingNetwork,
    loss: Callable[[Tensor], Tensor],
    target: Sequence[Tensor],
    images: int,
    search: Search,
    restart: int,
    on_iteration: Callable[[], None],
) -> Reconstruction:
    plan = network.plan
    noise = generator(search.seed, "gradient inversion", restart)
    shape = (images, plan.channels, plan.height, plan.width)
    shades_NCHW = (0.5 + 0.1 * torch.randn(shape, generator=noise)).clamp_(0, 1).requires_grad_()
    optimiser = torch.optim.Adam([shades_NCHW], lr=_STEP)
    shrinks = [round(share * search.iterations) for share in _SHRINKS_AT]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, shrinks, gamma=0.1)
    losses = []
    for _ in range(search.iterations):
        optimiser.zero_grad()
        cosine = _gradient_cosine(network, loss, shades_NCHW, target)
        matched = 1 - cosine + search.total_variation * _total_variation(shades_NCHW)
        [direction_NCHW] = torch.autograd.grad(matched, [shades_NCHW])
        shades_NCHW.grad = direction_NCHW.sign()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            shades_NCHW.clamp_(0, 1)
        losses.append(matched.item())
        on_iteration()
    images_NCHW = (shades_NCHW.detach() * 255).round().to(torch.uint8)
    cosine = _gradient_cosine(network, loss, images_NCHW / 255, target)
    return Reconstruction(images_NCHW, cosine.item(), tuple(losses))


def _gradient_cosine(
    network: EmbeddingNetwork, loss: Callable[[Tensor], Tensor], shades_NCHW: Tensor, target: Sequence[Tensor]
) -> Tensor:
    """The cosine of the gradient by these images, of shades 0 to 1, and the target, which has length 1."""
    value = loss(shades_NCHW * 255)
    parts = torch.autograd.grad(value, [*network.parameters()], create_graph=True)
    length = torch.sqrt(sum((part.square().sum() for part in parts), start=torch.zeros(())) + 1e-30)
    along = sum(((part * wanted).sum() for part, wanted in zip(parts, target, strict=True)), start=torch.zeros(()))
    return along / length


def _total_variation(shades_NCHW: Tensor) -> Tensor:
    across = (shades_NCHW[..., :, 1:] - shades_NCHW[..., :, :-1]).abs().mean()
    down = (shades_NCHW[..., 1:, :] - shades_NCHW[..., :-1, :]).abs().mean()
    return across + down


def _unit(gradient: Sequence[Tensor]) -> list[Tensor]:
    """The gradient at length 1 over all its tensors."""
    length = torch.sqrt(sum((part.double().square().sum() for part in gradient), start=torch.zeros((), dtype=torch.float64)))
    return [(part / length).float() for part in gradient]
