"""The aggregator as a participant of the round, which learns from public photographs. K identities, D dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_learning.data import split_identities
from fedface_learning.data.augmentation import augment
from fedface_learning.models.embedding import embed, mean_feature, raw_features
from fedface_learning.seeding import derive_seed
from fedface_learning.strategies.strategy import ServerRound


def take_public_steps(before: ServerRound, of_its_own: int | None, loss: Callable[[int, Tensor], Tensor]) -> int:
    """Train the network in place, a few steps on all public photographs each, and return how many photographs they are.

    ``of_its_own`` steps, or where that is None as many as a client takes; with 0 steps it takes no part. Rate, momentum and
    augmentation are the clients'. ``loss(label, embeddings_ND)`` is the mean over the photographs of public identity
    ``label``.
    """
    plan, network, local = before.plan, before.network, before.plan.local_training
    steps = local.steps_in(before.number, plan.rounds) if of_its_own is None else of_its_own
    if not steps:
        return 0
    rate = local.learning_rate * plan.rate_shares(before.number)[0]
    photographs = list(_public_photographs(before))
    images = sum(len(images_NCHW) for images_NCHW in photographs)
    optimiser = torch.optim.SGD(network.parameters(), lr=rate, momentum=local.momentum)
    network.eval()
    for step in range(steps):
        optimiser.zero_grad()
        for label, images_NCHW in enumerate(photographs):
            seed = derive_seed(plan.seed, before.number, "public", label)
            seen_NCHW = augment(images_NCHW, seed, step, flip=local.flip, shift=local.shift)
            torch.autograd.backward(loss(label, network(seen_NCHW)) * (len(images_NCHW) / images))
        optimiser.step()
    optimiser.zero_grad()
    if plan.model.centring:
        network.centre.copy_(mean_feature(torch.cat([raw_features(network, each_NCHW) for each_NCHW in photographs])))
    return images


def public_directions(at_hand: ServerRound) -> Tensor:
    """The normalised mean embedding of each public identity by the round's network, (K, D)."""
    means = [mean_feature(embed(at_hand.network, images_NCHW)) for images_NCHW in _public_photographs(at_hand)]
    return normalize(torch.stack(means), dim=1)


def _public_photographs(at_hand: ServerRound) -> Iterator[Tensor]:
    faces = at_hand.photographs()
    return (faces.images(identity) for identity in split_identities(faces.identities, at_hand.plan.split).public)
