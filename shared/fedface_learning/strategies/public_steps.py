"""The aggregator as a participant of the round, which learns from public photographs. K identities, D dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_learning.data import split_identities
from fedface_learning.data.augmentation import augment
from fedface_learning.data.drawn_batches import drawn_batches
from fedface_learning.gradient_descent import GradientDescent, ParameterGroup
from fedface_learning.models.embedding import embed, mean_feature, raw_features
from fedface_learning.seeding import derive_seed, generator
from fedface_learning.strategies.strategy import ServerRound

EMBEDDED_AT_ONCE = 32
"""Of a drawn batch, so many photographs go through the network together: memory does not grow with the batch."""
Loss = Callable[[int, Tensor], Tensor]
"""``loss(label, embeddings_ND)``: the mean loss, a scalar, over photographs of the public identity ``label``."""


def take_public_steps(server_round: ServerRound, own_steps: int | None, loss: Loss, batch: int | None = None) -> int:
    """Train the network in place, and return how many public photographs each step saw; 0 if there was no step.

    Each of ``own_steps`` steps sees ``batch`` photographs of any identities, drawn for the round, or all if it is None. If
    ``own_steps`` is None, there are as many as a client takes. Learning rate, momentum and augmentation are those of the
    clients.
    """
    plan = server_round.plan
    network = server_round.network
    local = plan.local_training
    steps = local.steps_in(server_round.number, plan.rounds) if own_steps is None else own_steps
    if not steps:
        return 0
    rate = local.learning_rate * plan.rate_shares(server_round.number)[0]
    photographs = list(public_photographs(server_round))
    images = sum(len(images_NCHW) for images_NCHW in photographs)
    size = images if batch is None else min(batch, images)
    optimiser = GradientDescent([ParameterGroup([*network.parameters()], rate)], local.momentum, fused=False)
    network.eval()
    of_steps = _losses_of_all if size == images else _losses_of_batches
    for parts in of_steps(server_round, photographs, size, steps, loss):
        optimiser.zero_grad()
        for part in parts:
            torch.autograd.backward(part)
        optimiser.step()
    optimiser.zero_grad()
    if plan.model.centring:
        network.centre.copy_(mean_feature(torch.cat([raw_features(network, each_NCHW) for each_NCHW in photographs])))
    return size


def _losses_of_all(
    server_round: ServerRound, photographs: Sequence[Tensor], size: int, steps: int, loss: Loss
) -> Iterator[Iterator[Tensor]]:
    """For each step the losses of all ``size`` photographs, in parts that add up to their mean: one for each identity."""
    plan = server_round.plan
    augmentations = plan.local_training.augmentations

    def part(step: int, label: int, images_NCHW: Tensor) -> Tensor:
        seed = derive_seed(plan.seed, server_round.number, "public", label)
        embeddings_ND = server_round.network(augment(images_NCHW, seed, step, augmentations))
        return loss(label, embeddings_ND) * (len(images_NCHW) / size)

    return ((part(step, *labelled) for labelled in enumerate(photographs)) for step in range(steps))


def _losses_of_batches(
    server_round: ServerRound, photographs: Sequence[Tensor], size: int, steps: int, loss: Loss
) -> Iterator[Iterator[Tensor]]:
    """For each step the losses of ``size`` photographs that are drawn for it, in parts that add up to their mean."""
    plan = server_round.plan
    seed = derive_seed(plan.seed, server_round.number, "public batches")
    labels_N = torch.cat([torch.full((len(images_NCHW),), label) for label, images_NCHW in enumerate(photographs)])
    places_N = torch.cat([torch.arange(len(images_NCHW)) for images_NCHW in photographs])

    def part(labels_n: Tensor, images_nCHW: Tensor) -> Tensor:
        embeddings_nD = server_round.network(images_nCHW)
        seen = [(label, embeddings_nD[labels_n == label]) for label in sorted(set(labels_n.tolist()))]
        return torch.stack([loss(label, own_nD) * (len(own_nD) / size) for label, own_nD in seen]).sum()

    for step, drawn_n in enumerate(drawn_batches(len(labels_N), size, steps, generator(seed, "batches"))):
        chosen_n = drawn_n.sort().values
        places = zip(labels_N[chosen_n].tolist(), places_N[chosen_n].tolist(), strict=True)
        # Not all photographs as one tensor: it would be a copy of gigabytes for a batch of some hundreds.
        images_nCHW = torch.stack([photographs[label][place] for label, place in places])
        images_nCHW = augment(images_nCHW, seed, step, plan.local_training.augmentations)
        yield map(
            part,
            torch.split(labels_N[chosen_n], EMBEDDED_AT_ONCE),
            torch.split(images_nCHW, EMBEDDED_AT_ONCE),
        )


def public_class_embeddings(server_round: ServerRound) -> Tensor:
    """The normalised mean embedding of each public identity by the round's network, (K, D)."""
    means = [mean_feature(embed(server_round.network, images_NCHW)) for images_NCHW in public_photographs(server_round)]
    return normalize(torch.stack(means), dim=1)


def public_photographs(server_round: ServerRound) -> Iterator[Tensor]:
    """The photographs (N, C, H, W), uint8, of each public identity, in their order."""
    faces = server_round.photographs()
    return (faces.images(identity) for identity in split_identities(faces.identities, server_round.plan.split).public)
