"""FedFace with the negatives that are nobody's secret: the public identities. Ours; close to FedFR (Liu et al., AAAI 2022).

A client has positives only, and may not see another client's class embedding. But the public identities, which the network
was pre-trained on, are everybody's to see. So each client minimises CosFace, its own class embedding against theirs, and
the aggregator takes part as one more participant: CosFace on the public photographs against the class embeddings of the
public identities *and* of the clients, which it holds anyway. What no one holds, a client's photographs against another
client, is left to spreadout. Clients send their mean embedding along, so that W follows the network.

K public identities, C clients, N images, D dimensions.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import PublicNegativesPlan
from fedface_learning.objectives.losses import cosface
from fedface_learning.objectives.spreadout import spread
from fedface_learning.strategies.fedface import FEDFACE
from fedface_learning.strategies.mean_embeddings import mean_shape, own_mean, with_uploaded_means
from fedface_learning.strategies.public_steps import public_directions, take_public_steps
from fedface_learning.strategies.strategy import ClientRound, ServerResult, ServerRound

PUBLIC = "public_KD"


def against_public(at_hand: ClientRound, features_ND: Tensor) -> Tensor:
    """CosFace: the client's own class embedding is the true one, those of the public identities are the others."""
    rows_KD = torch.cat([at_hand.class_embedding_D.unsqueeze(0), at_hand.guidance[PUBLIC]])
    labels_N = torch.zeros(len(features_ND), dtype=torch.int64)
    return _cosface(normalize(features_ND - at_hand.network.centre) @ rows_KD.T, labels_N, at_hand.plan)


def take_part_with_public(before: ServerRound) -> int:
    """The aggregator's own update: a few steps, each on all public photographs, whose number it returns."""
    assert isinstance(before.plan.strategy, PublicNegativesPlan)
    rows_KD = torch.cat([before.state[PUBLIC], before.class_embeddings_CD[before.class_embeddings_CD.any(dim=1)]])

    def loss(label: int, embeddings_ND: Tensor) -> Tensor:
        return _cosface(embeddings_ND @ rows_KD.T, torch.full((len(embeddings_ND),), label), before.plan)

    return take_public_steps(before, before.plan.strategy.public_steps, loss)


def follow_the_network(at_hand: ServerRound) -> ServerResult:
    """W from the mean embeddings that clients sent, after one spreadout; the public ones from the new network."""
    kept = {PUBLIC: public_directions(at_hand)}
    return ServerResult(*spread(with_uploaded_means(at_hand), at_hand.plan.spreadout), state=kept, guidance=kept)


def _cosface(cosines_NK: Tensor, labels_N: Tensor, plan: Plan) -> Tensor:
    assert isinstance(plan.strategy, PublicNegativesPlan)
    return cosface(cosines_NK, labels_N, scale=plan.strategy.scale, margin=plan.strategy.margin)


PUBLIC_NEGATIVES = replace(
    FEDFACE,
    loss=against_public,
    uploads=own_mean,
    upload_shapes=mean_shape,
    take_part=take_part_with_public,
    finish=follow_the_network,
)
