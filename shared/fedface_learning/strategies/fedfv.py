"""FedFV (Liu et al., *FedFV: federated face verification via equivalent class embeddings*, Multimedia Systems 28, 2022).

No client may see another's class embedding, so the server gives all clients *equivalent* class embeddings, which belong to
nobody and have the effect of the others: a client keeps its photographs away from them.

Only the paper's abstract is open. How such embeddings are made, and the loss, are our own: the clients are divided into
groups of at least ``group_size``, drawn once, and the mean of a group's class embeddings, at unit length, is one negative of
CosFace. A client does not know its group. The negative nearest to its own class embedding is most likely that of its own
group, so it leaves that one out. W follows the network as in `mean_embeddings.py`; there is no spreadout.

C clients, G groups, N images, D dimensions.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import FedFVPlan
from fedface_learning.objectives.losses import cosface
from fedface_learning.seeding import generator
from fedface_learning.strategies.mean_embeddings import FOLLOWING, take_uploaded_means
from fedface_learning.strategies.strategy import ClientRound, ServerResult, ServerRound

EQUIVALENT = "equivalent_GD"


def cosface_with_equivalents(client_round: ClientRound, features_ND: Tensor) -> Tensor:
    """A client's CosFace loss of raw features (N, D), a scalar.

    Its own class embedding is the true class. The others are the equivalent ones, without the nearest to its own.
    """
    own_D = client_round.class_embedding_D
    equivalent_GD = client_round.guidance[EQUIVALENT]
    strategy = client_round.plan.strategy
    assert isinstance(strategy, FedFVPlan)
    embeddings_ND = normalize(features_ND - client_round.network.centre)
    own_cosines_G = equivalent_GD @ own_D
    negatives_NG = (embeddings_ND @ equivalent_GD.T).masked_fill(own_cosines_G == own_cosines_G.max(), -torch.inf)
    cosines_NK = torch.cat([(embeddings_ND @ own_D).unsqueeze(1), negatives_NG], dim=1)
    labels_N = torch.zeros(len(features_ND), dtype=torch.int64)
    return cosface(cosines_NK, labels_N, scale=strategy.scale, margin=strategy.margin)


def make_equivalents(server_round: ServerRound) -> ServerResult:
    """W (C, D) with the mean embeddings that clients uploaded; for guidance, the equivalent class embeddings (G, D)."""
    taken = take_uploaded_means(server_round)
    assert taken.class_embeddings_CD is not None, "W is made of what clients uploaded"
    return replace(taken, guidance={EQUIVALENT: equivalents(taken.class_embeddings_CD, server_round.plan)})


def equivalents(class_embeddings_CD: Tensor, plan: Plan) -> Tensor:
    """The mean class embedding of each group, at unit length (G, D), float32. Clients that are not enrolled are in none."""
    assert isinstance(plan.strategy, FedFVPlan)
    rows_CD = class_embeddings_CD[class_embeddings_CD.any(dim=1)].double()
    order_C = torch.randperm(len(rows_CD), generator=generator(plan.seed, "groups"))
    groups = max(1, len(rows_CD) // plan.strategy.group_size)
    return torch.stack([normalize(rows_CD[own].mean(dim=0), dim=0) for own in order_C.tensor_split(groups)]).float()


FEDFV = replace(
    FOLLOWING,
    loss=cosface_with_equivalents,
    finish=make_equivalents,
)
