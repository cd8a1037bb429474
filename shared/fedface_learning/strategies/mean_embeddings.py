"""W that follows the network: each client uploads its mean embedding, and the aggregator puts it into W."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import FedFRPlan, FedFVPlan, PublicNegativesPlan
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import mean_feature
from fedface_learning.objectives.class_sums import on_the_grid
from fedface_learning.strategies.fedavg import FEDAVG, keep_class_embeddings
from fedface_learning.strategies.strategy import ClientRound, ServerResult, ServerRound, Tensors, with_uploaded_rows

MEAN_EMBEDDING: Final = "mean_embedding"
"""The tensor in which a client uploads its mean embedding: at enrolment alone, later beside its model."""


def class_embedding_of(network: EmbeddingNetwork, features_ND: Tensor) -> Tensor:
    """The class embedding (D,), on the grid, of a client whose images have these raw features (N, D) by the network."""
    return on_the_grid(mean_feature(normalize(features_ND - network.centre)))


def renewed_class_embedding(client_round: ClientRound, features_ND: Tensor) -> Tensor:
    """The class embedding (D,), on the grid, with which a client trains: half way from the former one to its mean embedding.

    ``features_ND`` are the raw features (N, D) of all its images by the network that the round starts from. The former class
    embedding is of a round long past, and alone would pull the network back. The mean embedding alone would follow wherever
    the network goes, so that all embeddings may run together (ADR 45).
    """
    former_D = client_round.former_class_embedding_D.cpu()
    return on_the_grid(former_D + class_embedding_of(client_round.network, features_ND))


def upload_mean_embedding(client_round: ClientRound, features_ND: Tensor) -> Tensors:
    """The tensor that a client uploads: its mean embedding (D,) of unit length.

    ``features_ND`` are the raw features (N, D) of all its images by the network that it has trained. If there are none, it
    is the class embedding that it trained with.
    """
    if not len(features_ND):
        return {MEAN_EMBEDDING: client_round.class_embedding_D}
    embeddings_ND = normalize(features_ND - client_round.network.centre)
    return {MEAN_EMBEDDING: normalize(mean_feature(embeddings_ND), dim=0)}


def mean_embedding_shape(plan: Plan) -> dict[str, tuple[int, ...]]:
    """The name and the shape (D,) of the tensor that `upload_mean_embedding` gives."""
    return {MEAN_EMBEDDING: (plan.model.embedding_size,)}


def embeds_by_trained(plan: Plan) -> bool:
    """Whether a client makes its class embedding by the network that it has trained."""
    assert isinstance(plan.strategy, PublicNegativesPlan | FedFVPlan | FedFRPlan)
    return plan.strategy.embedded_by == "trained"


def embeds_by_base(plan: Plan) -> bool:
    """Whether a client moves its class embedding before it trains, by the network that it starts from."""
    assert isinstance(plan.strategy, PublicNegativesPlan | FedFVPlan | FedFRPlan)
    return plan.strategy.embedded_by == "base"


def with_uploaded_means(server_round: ServerRound) -> Tensor:
    """W (C, D) with the mean embeddings that clients have uploaded, before any spreadout. Other clients keep their rows."""
    return with_uploaded_rows(server_round, MEAN_EMBEDDING)


def take_uploaded_means(server_round: ServerRound) -> ServerResult:
    """W (C, D) as `with_uploaded_means` makes it, and the statistics of its cosines. There is no spreadout."""
    return keep_class_embeddings(replace(server_round, class_embeddings_CD=with_uploaded_means(server_round)))


FOLLOWING = replace(
    FEDAVG,
    uploads=upload_mean_embedding,
    upload_shapes=mean_embedding_shape,
    needs_trained_features=embeds_by_trained,
    renews_class_embedding=embeds_by_base,
    finish=take_uploaded_means,
)
"""What the strategies whose W follows the network have in common."""
