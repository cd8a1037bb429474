"""The aggregator as a participant of the round, which learns from public photographs. K identities, D dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_learning.data import split_identities
from fedface_learning.data.augmentation import augment
from fedface_learning.gradient_descent import GradientDescent, ParameterGroup
from fedface_learning.models.embedding import embed, mean_feature, raw_features
from fedface_learning.seeding import derive_seed
from fedface_learning.strategies.strategy import ServerRound


def take_public_steps(server_round: ServerRound, own_steps: int | None, loss: Callable[[int, Tensor], Tensor]) -> int:
    """Train the network in place, and return how many public photographs it was trained on.

    Each of ``own_steps`` steps sees all public photographs. None means as many steps as a client takes; with 0 steps nothing
    is trained and 0 is returned. Learning rate, momentum and augmentation are those of the clients.
    ``loss(label, embeddings_ND)`` is the mean loss, a scalar, over the photographs of public identity ``label``.
    """
    plan = server_round.plan
    network = server_round.network
    local = plan.local_training
    steps = local.steps_in(server_round.number, plan.rounds) if own_steps is None else own_steps
    if not steps:
        return 0
    rate = local.learning_rate * plan.rate_shares(server_round.number)[0]
    photographs = list(_public_photographs(server_round))
    images = sum(len(images_NCHW) for images_NCHW in photographs)
    optimiser = GradientDescent([ParameterGroup([*network.parameters()], rate)], local.momentum, fused=False)
    network.eval()
    for step in range(steps):
        optimiser.zero_grad()
        for label, images_NCHW in enumerate(photographs):
            seed = derive_seed(plan.seed, server_round.number, "public", label)
            seen_NCHW = augment(images_NCHW, seed, step, flip=local.flip, shift=local.shift)
            torch.autograd.backward(loss(label, network(seen_NCHW)) * (len(images_NCHW) / images))
        optimiser.step()
    optimiser.zero_grad()
    if plan.model.centring:
        network.centre.copy_(mean_feature(torch.cat([raw_features(network, each_NCHW) for each_NCHW in photographs])))
    return images


def public_class_embeddings(server_round: ServerRound) -> Tensor:
    """The normalised mean embedding of each public identity by the round's network, (K, D)."""
    means = [mean_feature(embed(server_round.network, images_NCHW)) for images_NCHW in _public_photographs(server_round)]
    return normalize(torch.stack(means), dim=1)


def _public_photographs(server_round: ServerRound) -> Iterator[Tensor]:
    faces = server_round.photographs()
    return (faces.images(identity) for identity in split_identities(faces.identities, server_round.plan.split).public)
