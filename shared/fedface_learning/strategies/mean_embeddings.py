"""W that follows the network: clients send their mean embedding along, and the aggregator puts it into W."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_learning.models.embedding import mean_feature
from fedface_learning.strategies.strategy import ClientRound, ServerRound, Tensors

MEAN_EMBEDDING = "mean_embedding"


def own_mean(at_hand: ClientRound, features_ND: Tensor) -> Tensors:
    """The normalised mean (D,) of the client's embeddings by the network that it has trained."""
    embeddings_ND = normalize(features_ND - at_hand.network.centre)
    return {MEAN_EMBEDDING: normalize(mean_feature(embeddings_ND), dim=0)}


def mean_shape(plan: Plan) -> dict[str, tuple[int, ...]]:
    """The shape of `own_mean`."""
    return {MEAN_EMBEDDING: (plan.model.embedding_size,)}


def with_uploaded_means(at_hand: ServerRound) -> Tensor:
    """W (C, D) with the means that clients have sent, before any spreadout. Who took no part keeps its row."""
    class_embeddings_CD = at_hand.class_embeddings_CD.clone()
    for client, tensors in at_hand.uploaded.items():
        class_embeddings_CD[client_index(client)] = tensors[MEAN_EMBEDDING]
    return class_embeddings_CD
