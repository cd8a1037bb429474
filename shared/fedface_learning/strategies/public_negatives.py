"""FedFace with negatives that are not secret: the public identities. Our own; close to FedFR (Liu et al., AAAI 2022).

A client has photographs of one person, and must not see another client's class embedding. But everybody may see the public
identities, which the network was pre-trained on. So each client minimises CosFace with its own class embedding as the true
class and the public ones as the others. The aggregator takes part as one more participant: it minimises CosFace on the
public photographs, against the class embeddings of the public identities and of the clients, which it holds in any case.
Nobody holds the photographs of two clients; only spreadout keeps two clients apart. Clients also upload their mean
embedding, so that W follows the network.

K public identities, C clients, N images, D dimensions.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import FedFRPlan, PublicNegativesPlan
from fedface_learning.device import moved
from fedface_learning.objectives.losses import cosface
from fedface_learning.objectives.spreadout import spread
from fedface_learning.strategies.fedface import spreadout_in
from fedface_learning.strategies.mean_embeddings import FOLLOWING, with_uploaded_means
from fedface_learning.strategies.public_steps import public_class_embeddings, take_public_steps
from fedface_learning.strategies.strategy import ClientRound, ServerResult, ServerRound, Tensors

PUBLIC = "public_KD"


def cosface_with_public_negatives(client_round: ClientRound, features_ND: Tensor) -> Tensor:
    """A client's CosFace loss of raw features (N, D), a scalar.

    The client's own class embedding is the true class; the class embeddings of the public identities are the others.
    """
    rows_KD = torch.cat([client_round.class_embedding_D.unsqueeze(0), client_round.guidance[PUBLIC]])
    labels_N = torch.zeros(len(features_ND), dtype=torch.int64)
    return _cosface(normalize(features_ND - client_round.network.centre) @ rows_KD.T, labels_N, client_round.plan)


def train_on_public_photographs(server_round: ServerRound) -> int:
    """Train the network in place as the aggregator's own update, and return how many public photographs a step saw."""
    assert isinstance(server_round.plan.strategy, PublicNegativesPlan)
    enrolled_CD = server_round.class_embeddings_CD[server_round.class_embeddings_CD.any(dim=1)]
    rows_KD = moved(torch.cat([server_round.state[PUBLIC], enrolled_CD]), server_round.device)

    def loss(labels_N: Tensor, embeddings_ND: Tensor) -> Tensor:
        return _cosface(embeddings_ND @ rows_KD.T, labels_N, server_round.plan)

    own = server_round.plan.strategy
    return take_public_steps(server_round, own.public_steps, loss, own.public_batch)


def renew_class_embeddings(server_round: ServerRound) -> ServerResult:
    """W (C, D) with the mean embeddings that clients uploaded, after one spreadout.

    The class embeddings of the public identities (K, D) are computed anew with the round's network, at enrolment and in
    each round that the plan says. They are the strategy's state and the next round's guidance.
    """
    public = renewed_public(server_round)
    spread_CD, stats = spread(with_uploaded_means(server_round), spreadout_in(server_round))
    return ServerResult(spread_CD, stats, state=public, guidance=public)


def renewed_public(server_round: ServerRound) -> Tensors:
    """The class embeddings of the public identities (K, D): by the round's network if the plan renews them in this round."""
    return {PUBLIC: public_class_embeddings(server_round) if is_renewed(server_round) else server_round.state[PUBLIC]}


def is_renewed(server_round: ServerRound) -> bool:
    """Whether the plan makes the class embeddings of the public identities anew in this round."""
    assert isinstance(server_round.plan.strategy, PublicNegativesPlan | FedFRPlan)
    return server_round.number % server_round.plan.strategy.guidance_every == 0


def _cosface(cosines_NK: Tensor, labels_N: Tensor, plan: Plan) -> Tensor:
    assert isinstance(plan.strategy, PublicNegativesPlan)
    return cosface(cosines_NK, labels_N, scale=plan.strategy.scale, margin=plan.strategy.margin)


PUBLIC_NEGATIVES = replace(
    FOLLOWING,
    loss=cosface_with_public_negatives,
    take_part=train_on_public_photographs,
    finish=renew_class_embeddings,
)
