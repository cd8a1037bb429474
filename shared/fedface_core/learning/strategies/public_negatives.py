"""FedFace with the negatives that are nobody's secret: the public identities. Ours; close to FedFR (Liu et al., AAAI 2022).

A client has positives only, and may not see another client's class embedding. But the public identities, which the network
was pre-trained on, are everybody's to see. So each client minimises CosFace, its own class embedding against theirs, and
the aggregator takes part as one more participant: CosFace on the public photographs against the class embeddings of the
public identities *and* of the clients, which it holds anyway. What no one holds, a client's photographs against another
client, is left to spreadout. Clients send their mean embedding along, so that W follows the network.

K public identities, C clients, N images, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_core.domain.strategy_plan import PublicNegativesPlan
from fedface_core.learning.augmentation import augmented
from fedface_core.learning.data import split_identities
from fedface_core.learning.embedding import embed, mean_feature, raw_features
from fedface_core.learning.losses import cosface
from fedface_core.learning.models import EmbeddingNetwork
from fedface_core.learning.seeding import derive_seed
from fedface_core.learning.spreadout import spread
from fedface_core.learning.strategies.fedface import FEDFACE
from fedface_core.learning.strategies.strategy import ClientRound, ServerResult, ServerRound, Tensors

MEAN_EMBEDDING = "mean_embedding"
PUBLIC = "public_KD"


def against_public(at_hand: ClientRound, _images_NCHW: Tensor, features_ND: Tensor) -> Tensor:
    """CosFace: the client's own class embedding is the true one, those of the public identities are the others."""
    rows_KD = torch.cat([at_hand.class_embedding_D.unsqueeze(0), at_hand.guidance[PUBLIC]])
    labels_N = torch.zeros(len(features_ND), dtype=torch.int64)
    return _cosface(normalize(features_ND - at_hand.network.centre) @ rows_KD.T, labels_N, at_hand.plan)


def take_part_with_public(before: ServerRound) -> int:
    """The aggregator's own update: a few steps, each on all public photographs, whose number it returns."""
    plan, network, local = before.plan, before.network, before.plan.local_training
    steps = _public_steps(before)
    if not steps:
        return 0
    rate = local.learning_rate * plan.rate_shares(before.number)[0]
    rows_KD = torch.cat([before.state[PUBLIC], before.class_embeddings_CD[before.class_embeddings_CD.any(dim=1)]])
    photographs = list(_public_photographs(before))
    images = sum(len(images_NCHW) for images_NCHW in photographs)
    optimiser = torch.optim.SGD(network.parameters(), lr=rate, momentum=local.momentum)
    network.eval()
    for step in range(steps):
        optimiser.zero_grad()
        for label, images_NCHW in enumerate(photographs):
            seed = derive_seed(plan.seed, before.number, "public", label)
            seen_NCHW = augmented(images_NCHW, seed, step, flip=local.flip, shift=local.shift)
            labels_N = torch.full((len(images_NCHW),), label)
            loss = _cosface(network(seen_NCHW) @ rows_KD.T, labels_N, plan)
            torch.autograd.backward(loss * (len(images_NCHW) / images))
        optimiser.step()
    optimiser.zero_grad()
    if plan.model.centring:
        network.centre.copy_(mean_feature(torch.cat([raw_features(network, each_NCHW) for each_NCHW in photographs])))
    return images


def follow_the_network(at_hand: ServerRound) -> ServerResult:
    """W from the mean embeddings that clients sent, after one spreadout; the public ones from the new network."""
    class_embeddings_CD = at_hand.class_embeddings_CD.clone()
    for client, tensors in at_hand.uploaded.items():
        class_embeddings_CD[client_index(client)] = tensors[MEAN_EMBEDDING]
    public_KD = torch.stack([_mean_direction(at_hand.network, each_NCHW) for each_NCHW in _public_photographs(at_hand)])
    kept = {PUBLIC: public_KD}
    return ServerResult(*spread(class_embeddings_CD, at_hand.plan.spreadout), state=kept, guidance=kept)


def _public_steps(before: ServerRound) -> int:
    assert isinstance(before.plan.strategy, PublicNegativesPlan)
    of_its_own = before.plan.strategy.public_steps
    return before.plan.local_training.steps_in(before.number, before.plan.rounds) if of_its_own is None else of_its_own


def _public_photographs(at_hand: ServerRound) -> Iterator[Tensor]:
    faces = at_hand.photographs()
    return (faces.images(identity) for identity in split_identities(faces.identities, at_hand.plan.split).public)


def _mean_direction(network: EmbeddingNetwork, images_NCHW: Tensor) -> Tensor:
    return normalize(mean_feature(embed(network, images_NCHW)), dim=0)


def _cosface(cosines_NK: Tensor, labels_N: Tensor, plan: Plan) -> Tensor:
    assert isinstance(plan.strategy, PublicNegativesPlan)
    return cosface(cosines_NK, labels_N, scale=plan.strategy.scale, margin=plan.strategy.margin)


def _own_mean(at_hand: ClientRound, features_ND: Tensor) -> Tensors:
    embeddings_ND = normalize(features_ND - at_hand.network.centre)
    return {MEAN_EMBEDDING: normalize(mean_feature(embeddings_ND), dim=0)}


def _mean_shape(plan: Plan) -> dict[str, tuple[int, ...]]:
    return {MEAN_EMBEDDING: (plan.model.embedding_size,)}


PUBLIC_NEGATIVES = replace(
    FEDFACE,
    loss=against_public,
    uploads=_own_mean,
    upload_shapes=_mean_shape,
    take_part=take_part_with_public,
    finish=follow_the_network,
)
