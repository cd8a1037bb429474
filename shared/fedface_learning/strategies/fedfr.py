"""FedFR (Liu et al., *Joint Optimization Federated Framework for Generic and Personalized Face Recognition*, AAAI 2022): its
part that makes one generic network and works with one person a client, which are public hard negatives.

Clients are given public photographs. Each trains on its own and on those that look most like them, with CosFace over its own
class embedding and those of the public identities, so that the network keeps telling these apart.

What is not the authors': a step takes a fixed number of hard negatives, the nearest to the client's class embedding,
where they take every public photograph with a cosine above 0.4 to one of the client's. Class embeddings are mean
embeddings, of the public identities by the global network; there they are learnt with the network, and averaged. Public
photographs are not augmented. Own photographs and hard negatives have half of the loss each, however many there are; in
a batch of both each photograph weighs the same. Left out are the module of each client's own (decoupled feature
customisation), which does not change the generic network's comparison of unseen people, and the contrastive term, which
needs the client's network of its last round; in a round of one step its pull towards the global network has no gradient.

K public identities, S shared photographs, H hard ones, N images, D dimensions, C×H×W pixels.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan.strategy import FedFRPlan
from fedface_learning.device import HOST, copy_on, moved
from fedface_learning.models.embedding import embed
from fedface_learning.objectives.losses import cosface
from fedface_learning.seeding import generator
from fedface_learning.strategies.mean_embeddings import FOLLOWING, take_uploaded_means
from fedface_learning.strategies.public_negatives import PUBLIC, is_renewed
from fedface_learning.strategies.public_steps import public_class_embeddings, public_photographs
from fedface_learning.strategies.strategy import ClientRound, ServerResult, ServerRound, Tensors

SHARED_IMAGES = "shared_SCHW"
SHARED_LABELS = "shared_labels_S"
SHARED_EMBEDDINGS = "shared_embeddings_SD"


def cosface_with_hard_negatives(client_round: ClientRound, features_ND: Tensor) -> Tensor:
    """A client's CosFace loss of raw features (N, D) and of its hard negatives, each side a mean with half of the weight."""
    strategy = client_round.plan.strategy
    assert isinstance(strategy, FedFRPlan)
    own_D = client_round.class_embedding_D
    guidance = client_round.guidance
    cosines_S = guidance[SHARED_EMBEDDINGS] @ own_D
    hard_H = cosines_S.topk(min(strategy.hard_negatives, len(cosines_S))).indices
    network = client_round.network
    # Not by `pixels`: vectorised clients choose images, each its own, whose layout in memory it cannot change.
    hard_HCHW = guidance[SHARED_IMAGES][hard_H].to(torch.float32)
    hard_HD = network.features_of_pixels(network.normalised(hard_HCHW))
    rows_KD = torch.cat([own_D.unsqueeze(0), guidance[PUBLIC]])

    def loss(raw_MD: Tensor, labels_M: Tensor) -> Tensor:
        cosines_MK = normalize(raw_MD - network.centre) @ rows_KD.T
        return cosface(cosines_MK, labels_M, scale=strategy.scale, margin=strategy.margin)

    # Two means, so that the whole is a mean over the client's images: vectorised clients fill up places with images.
    own = loss(features_ND, torch.zeros(len(features_ND), dtype=torch.int64))
    return (own + loss(hard_HD, 1 + guidance[SHARED_LABELS][hard_H])) / 2


def share_public_photographs(server_round: ServerRound) -> ServerResult:
    """W (C, D) with the mean embeddings that clients uploaded. The guidance is what clients know of public identities."""
    shared = _shared(server_round) if is_renewed(server_round) else server_round.state
    return replace(take_uploaded_means(server_round), state=shared, guidance=shared)


def _shared(server_round: ServerRound) -> Tensors:
    plan = server_round.plan
    assert isinstance(plan.strategy, FedFRPlan)
    photographs = list(public_photographs(server_round))
    labels_N = torch.cat([torch.full((len(images_NCHW),), label) for label, images_NCHW in enumerate(photographs)])
    order_N = torch.randperm(len(labels_N), generator=generator(plan.seed, "shared photographs"))
    drawn_S = order_N[: plan.strategy.shared_photographs].sort().values
    images_SCHW = torch.cat([moved(images_NCHW, HOST) for images_NCHW in photographs])[drawn_S]
    return {
        PUBLIC: public_class_embeddings(server_round),
        SHARED_IMAGES: images_SCHW,
        SHARED_LABELS: labels_N[drawn_S],
        SHARED_EMBEDDINGS: embed(copy_on(server_round.network, server_round.device), images_SCHW).cpu(),
    }


FEDFR = replace(
    FOLLOWING,
    loss=cosface_with_hard_negatives,
    finish=share_public_photographs,
)
