"""The aggregator as a participant of the round, which learns from public photographs. K identities, D dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_learning.data import split_identities
from fedface_learning.data.augmentation import augment
from fedface_learning.data.drawn_batches import drawn_batches
from fedface_learning.device import copy_back, copy_on, moved
from fedface_learning.gradient_descent import GradientDescent, ParameterGroup
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import embed, mean_feature, raw_features, suitable_batch_size
from fedface_learning.seeding import derive_seed, generator
from fedface_learning.strategies.strategy import ServerRound

EMBEDDED_AT_ONCE = 32
"""Of a drawn batch, so many photographs go through the network together: memory does not grow with the batch."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""``loss(labels_N, embeddings_ND)``: the mean loss, a scalar, over photographs of the public identities ``labels_N``. Both
are on the device that the aggregator computes on."""


def take_public_steps(server_round: ServerRound, own_steps: int | None, loss: Loss, batch: int | None = None) -> int:
    """Train the network in place, and return how many public photographs each step saw; 0 if there was no step.

    Each of ``own_steps`` steps sees ``batch`` photographs of any identities, drawn for the round, or all if it is None. If
    ``own_steps`` is None, there are as many as a client takes. Learning rate, momentum and augmentation are those of the
    clients.
    """
    plan = server_round.plan
    local = plan.local_training
    steps = local.steps_in(server_round.number, plan.rounds) if own_steps is None else own_steps
    if not steps:
        return 0
    network = copy_on(server_round.network, server_round.device)
    rate = local.learning_rate * plan.rate_shares(server_round.number)[0]
    photographs = list(public_photographs(server_round))
    images = sum(len(images_NCHW) for images_NCHW in photographs)
    size = images if batch is None else min(batch, images)
    optimiser = GradientDescent([ParameterGroup([*network.parameters()], rate)], local.momentum, fused=False)
    network.eval()
    of_steps = _losses_of_all if size == images else _losses_of_batches
    for parts in of_steps(server_round, network, photographs, size, steps, loss):
        optimiser.zero_grad()
        for part in parts:
            torch.autograd.backward(part)
        optimiser.step()
    optimiser.zero_grad()
    if plan.model.centring:
        network.centre.copy_(mean_feature(torch.cat([raw_features(network, each_NCHW) for each_NCHW in photographs])))
    copy_back(network, server_round.network)
    return size


def _losses_of_all(
    server_round: ServerRound, network: EmbeddingNetwork, photographs: Sequence[Tensor], size: int, steps: int, loss: Loss
) -> Iterator[Iterator[Tensor]]:
    """For each step the losses of all ``size`` photographs, in parts that add up to their mean: one for each identity."""
    plan = server_round.plan
    augmentations = plan.local_training.augmentations

    def part(step: int, label: int, images_NCHW: Tensor) -> Tensor:
        seed = derive_seed(plan.seed, server_round.number, "public", label)
        embeddings_ND = network(augment(images_NCHW, seed, step, augmentations))
        labels_N = torch.full((len(images_NCHW),), label, device=embeddings_ND.device)
        return loss(labels_N, embeddings_ND) * (len(images_NCHW) / size)

    return ((part(step, *labelled) for labelled in enumerate(photographs)) for step in range(steps))


def _losses_of_batches(
    server_round: ServerRound, network: EmbeddingNetwork, photographs: Sequence[Tensor], size: int, steps: int, loss: Loss
) -> Iterator[Iterator[Tensor]]:
    """For each step the losses of ``size`` photographs that are drawn for it, in parts that add up to their mean."""
    plan = server_round.plan
    seed = derive_seed(plan.seed, server_round.number, "public batches")
    labels_N = torch.cat([torch.full((len(images_NCHW),), label) for label, images_NCHW in enumerate(photographs)])
    places_N = torch.cat([torch.arange(len(images_NCHW)) for images_NCHW in photographs])

    def part(labels_n: Tensor, images_nCHW: Tensor) -> Tensor:
        embeddings_nD = network(images_nCHW)
        return loss(moved(labels_n, embeddings_nD.device), embeddings_nD) * (len(labels_n) / size)

    for step, drawn_n in enumerate(drawn_batches(len(labels_N), size, steps, generator(seed, "batches"))):
        chosen_n = drawn_n.sort().values
        places = zip(labels_N[chosen_n].tolist(), places_N[chosen_n].tolist(), strict=True)
        # Not all photographs as one tensor: it would be a copy of gigabytes for a batch of some hundreds.
        images_nCHW = torch.stack([moved(photographs[label][place], network.device) for label, place in places])
        images_nCHW = augment(images_nCHW, seed, step, plan.local_training.augmentations)
        yield map(
            part,
            torch.split(labels_N[chosen_n], EMBEDDED_AT_ONCE),
            torch.split(images_nCHW, EMBEDDED_AT_ONCE),
        )


def public_class_embeddings(server_round: ServerRound) -> Tensor:
    """The normalised mean embedding of each public identity by the round's network, (K, D), on the CPU."""
    network = copy_on(server_round.network, server_round.device)
    at_once = suitable_batch_size(network.device)
    means: list[Tensor] = []
    for people in _people_at_once(public_photographs(server_round), at_once):
        images_NCHW = torch.cat([moved(each_NCHW, network.device) for each_NCHW in people])
        embeddings_ND = embed(network, images_NCHW, at_once)
        means += [each_ND.double().mean(dim=0) for each_ND in torch.split(embeddings_ND, [*map(len, people)])]
    return normalize(torch.stack(means).float().cpu(), dim=1)


def _people_at_once(photographs: Iterator[Tensor], most: int) -> Iterator[list[Tensor]]:
    """The photographs of each identity, of as many together as have ``most`` photographs, or of one that has more."""
    people: list[Tensor] = []
    for images_NCHW in photographs:
        if people and sum(map(len, people)) + len(images_NCHW) > most:
            yield people
            people = []
        people.append(images_NCHW)
    if people:
        yield people


def public_photographs(server_round: ServerRound) -> Iterator[Tensor]:
    """The photographs (N, C, H, W), uint8, of each public identity, in their order.

    Those that a GPU has no room for are in the memory of the processor, and the others on the GPU.
    """
    faces = server_round.photographs()
    return (faces.images(identity) for identity in split_identities(faces.identities, server_round.plan.split).public)
